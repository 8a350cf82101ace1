// What concerns the epoll driver alone: how many system calls it makes, descriptors of others, and
// the end of the supply of descriptors.

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>
#include <clearway/base/log.hpp>
#include <clearway/loop/descriptor_limit.hpp>
#include <tests/loop/driver_world.hpp>

#include <fcntl.h>

namespace driver_tests {
namespace {

using namespace clearway;

class EpollDriverTest : public ::testing::Test {
 protected:
  EpollDriverTest() : world_(std::make_unique<EpollDriver>()) {}
  EpollDriver& driver() { return static_cast<EpollDriver&>(world_.driver()); }

  World world_;
};

// The figure that benchmarks compare: one wait, one receive, one send for a request.
TEST_F(EpollDriverTest, ARequestCostsOneWaitOneReceiveOneSend) {
  Pair pair(world_);
  char request[100];
  Probe receive(Operation::Kind::receive, pair.server);
  receive.data = request;
  receive.size = sizeof request;
  world_.start(receive);
  world_.settle();
  const EpollDriver::Calls before = driver().calls();
  constexpr std::uint64_t rounds = 50;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    ASSERT_EQ(::send(pair.client, "GET /", 5, 0), 5);
    driver().wait(never);
    ASSERT_EQ(receive.completions, 1);
    world_.send_all(pair.server, "200");
    world_.start(receive);
    ASSERT_EQ(receive.completions, 0);
  }
  const EpollDriver::Calls& calls = driver().calls();
  EXPECT_EQ(calls.receive - before.receive, rounds);
  EXPECT_EQ(calls.send - before.send, rounds);
  EXPECT_EQ(calls.control, before.control);
  // The client's end has an edge for every answer; it may come as a wait of its own.
  EXPECT_LE(calls.wait - before.wait, 2 * rounds);
  driver().cancel(receive);
}

TEST_F(EpollDriverTest, ForeignDescriptorsAreWaitedForAndForgotten) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  Probe readable(Operation::Kind::readable, ends[0]);
  for (int round = 0; round < 3; ++round) {
    world_.start(readable);
    world_.settle();
    EXPECT_EQ(readable.completions, 0);
    ASSERT_EQ(::write(ends[1], "x", 1), 1);
    EXPECT_EQ(world_.finish(readable), 0);
    world_.start(readable);
    EXPECT_EQ(readable.completions, 1) << "it is still unread";
    char byte = 0;
    ASSERT_EQ(::read(ends[0], &byte, 1), 1);
  }
  world_.start(readable);
  driver().cancel(readable);
  EXPECT_EQ(readable.result, -ECANCELED);
  // The same numbers for other files, behind the driver's back.
  for (const int end : ends) ::close(end);
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  world_.start(readable);
  ASSERT_EQ(::write(ends[1], "y", 1), 1);
  EXPECT_EQ(world_.finish(readable), 0);
  for (const int end : ends) ::close(end);
}

TEST_F(EpollDriverTest, AFullPipeIsNotWritableUntilItIsRead) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  std::string chunk(65536, 'x');
  while (::write(ends[1], chunk.data(), chunk.size()) > 0) {
  }
  Probe writable(Operation::Kind::writable, ends[1]);
  Probe readable(Operation::Kind::readable, ends[1]);
  world_.start(writable);
  world_.settle();
  EXPECT_EQ(writable.completions, 0);
  while (::read(ends[0], chunk.data(), chunk.size()) > 0) {
  }
  EXPECT_EQ(world_.finish(writable), 0);
  for (const int end : ends) ::close(end);
}

TEST_F(EpollDriverTest, RegularFilesAreReadyAtOnce) {
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  Probe readable(Operation::Kind::readable, file);
  world_.start(readable);
  EXPECT_EQ(readable.completions, 1);
  ::close(file);
}

std::string last_log;
int log_lines = 0;

// Sets the soft limit of descriptors for a while.
class SoftLimit {
 public:
  explicit SoftLimit(rlim_t soft) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit changed{.rlim_cur = soft, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &changed);
  }
  ~SoftLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(EpollDriverTest, AcceptWaitsWhileThereIsNoDescriptor) {
  Address address = Address::loopback(0);
  const Handle listener = driver().listen(address, 16, false);
  const Handle client = world_.connect(address);
  const Handle spare = driver().open_stream(AF_INET);
  last_log.clear();
  log_lines = 0;
  const auto before = log::set_sink([](log::Level, std::string_view, std::string_view message) {
    last_log = message;
    ++log_lines;
  });
  Probe accept(Operation::Kind::accept, listener);
  {
    const int next = ::dup(0);  // the lowest number that is free
    ::close(next);
    const SoftLimit limit(static_cast<rlim_t>(next));
    world_.start(accept);
    const EpollDriver::Calls calls = driver().calls();
    for (int turn = 0; turn < 100; ++turn) world_.settle();
    EXPECT_EQ(accept.completions, 0);
    EXPECT_LE(driver().calls().accept - calls.accept, 2U) << "it spins";
    driver().close(spare);
    driver().wait(after(driver().now(), std::chrono::seconds(1)));
    EXPECT_EQ(accept.completions, 1) << "a descriptor was closed";
  }
  log::set_sink(before);
  ASSERT_GE(accept.result, 0);
  EXPECT_EQ(log_lines, 1);
  EXPECT_NE(last_log.find(address.to_string()), std::string::npos) << last_log;
  EXPECT_NE(last_log.find("ulimit -n"), std::string::npos) << last_log;
  for (const Handle handle : {client, listener, static_cast<Handle>(accept.result)}) {
    driver().close(handle);
  }
}

TEST_F(EpollDriverTest, RaisesTheSoftLimit) {
  {
    const SoftLimit limit(100);
    EXPECT_NE(descriptor_limit_hint(EMFILE).find("100 descriptors"), std::string::npos);
    EpollDriver another;
    EXPECT_EQ(descriptor_limit().soft, descriptor_limit().hard);
  }
  EXPECT_EQ(descriptor_limit_hint(ECONNREFUSED), "");
  EXPECT_NE(descriptor_limit_hint(ENFILE).find("fs.file-max"), std::string::npos);
}

TEST_F(EpollDriverTest, AUnixConnectWaitsForRoomInTheBacklog) {
  Address address = Address::unix_path("@clearway-backlog-" + std::to_string(::getpid()));
  const Handle listener = driver().listen(address, 0, false);
  std::vector<Handle> clients = {world_.connect(address)};
  clients.push_back(driver().open_stream(AF_UNIX));
  Probe waiting(Operation::Kind::connect, clients.back());
  waiting.address = &address;
  world_.start(waiting);
  EXPECT_EQ(waiting.completions, 0);
  clients.push_back(world_.accept(listener));
  EXPECT_EQ(world_.finish(waiting), 0);
  clients.push_back(world_.accept(listener));
  clients.push_back(listener);
  for (const Handle handle : clients) driver().close(handle);
  EXPECT_EQ(driver().open_handles(), 0U);
}

TEST_F(EpollDriverTest, RandomNumbersDiffer) {
  std::set<std::uint64_t> seen;
  for (int count = 0; count < 100; ++count) seen.insert(driver().random());
  EXPECT_EQ(seen.size(), 100U);
}

}  // namespace
}  // namespace driver_tests
