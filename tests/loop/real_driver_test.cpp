// What every driver of the real world must do beyond the conformance suite: descriptors of others,
// the end of the supply of descriptors, threads and signals.

#include <set>
#include <thread>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <clearway/base/log.hpp>
#include <clearway/loop/descriptor_limit.hpp>
#include <clearway/loop/loop.hpp>
#include <clearway/loop/signal_wake.hpp>
#include <tests/loop/driver_world.hpp>

#include <fcntl.h>
#include <csignal>

namespace driver_tests {
namespace {

using namespace clearway;

class RealDriverTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string refusal;
    std::unique_ptr<Driver> made = make_real(GetParam(), refusal);
    if (made == nullptr) GTEST_SKIP() << refusal;
    world_ = std::make_unique<World>(std::move(made));
  }
  Driver& driver() { return world_->driver(); }
  // How often the kernel was asked to accept.
  std::uint64_t attempts() {
    if (auto* uring = dynamic_cast<UringDriver*>(&driver())) {
      return uring->calls().requests + uring->calls().accept;
    }
    return dynamic_cast<EpollDriver&>(driver()).calls().accept;
  }

  std::unique_ptr<World> world_;
};

INSTANTIATE_TEST_SUITE_P(Drivers, RealDriverTest, ::testing::ValuesIn(real_drivers),
                         [](const auto& info) { return std::string(info.param); });

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

TEST_P(RealDriverTest, ForeignDescriptorsAreWaitedForAndForgotten) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  Probe readable(Operation::Kind::readable, ends[0]);
  for (int round = 0; round < 3; ++round) {
    world_->start(readable);
    world_->settle();
    EXPECT_EQ(readable.completions, 0);
    ASSERT_EQ(::write(ends[1], "x", 1), 1);
    EXPECT_EQ(world_->finish(readable), 0);
    world_->start(readable);
    EXPECT_EQ(readable.completions, 1) << "it is still unread";
    char byte = 0;
    ASSERT_EQ(::read(ends[0], &byte, 1), 1);
  }
  world_->start(readable);
  driver().cancel(readable);
  EXPECT_EQ(readable.result, -ECANCELED);
  // The same numbers for other files, behind the driver's back.
  for (const int end : ends) ::close(end);
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  world_->start(readable);
  ASSERT_EQ(::write(ends[1], "y", 1), 1);
  EXPECT_EQ(world_->finish(readable), 0);
  for (const int end : ends) ::close(end);
}

TEST_P(RealDriverTest, AFullPipeIsNotWritableUntilItIsRead) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  std::string chunk(65536, 'x');
  while (::write(ends[1], chunk.data(), chunk.size()) > 0) {
  }
  Probe writable(Operation::Kind::writable, ends[1]);
  Probe readable(Operation::Kind::readable, ends[1]);
  world_->start(writable);
  world_->settle();
  EXPECT_EQ(writable.completions, 0);
  while (::read(ends[0], chunk.data(), chunk.size()) > 0) {
  }
  EXPECT_EQ(world_->finish(writable), 0);
  for (const int end : ends) ::close(end);
}

TEST_P(RealDriverTest, RegularFilesAreReadyAtOnce) {
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  Probe readable(Operation::Kind::readable, file);
  world_->start(readable);
  EXPECT_EQ(readable.completions, 1);
  ::close(file);
}

TEST_P(RealDriverTest, AcceptWaitsWhileThereIsNoDescriptor) {
  Address address = Address::loopback(0);
  const Handle listener = driver().listen(address, 16, false);
  const Handle client = world_->connect(address);
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
    world_->start(accept);
    const std::uint64_t before_waiting = attempts();
    for (int turn = 0; turn < 100; ++turn) world_->settle();
    EXPECT_EQ(accept.completions, 0);
    EXPECT_LE(attempts() - before_waiting, 4U) << "it spins";
    driver().close(spare);
    EXPECT_GE(world_->finish(accept), 0) << "a descriptor was closed";
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

TEST_P(RealDriverTest, RaisesTheSoftLimit) {
  {
    const SoftLimit limit(100);
    EXPECT_NE(descriptor_limit_hint(EMFILE).find("100 descriptors"), std::string::npos);
    std::string refusal;
    const auto another = make_real(GetParam(), refusal);
    EXPECT_EQ(descriptor_limit().soft, descriptor_limit().hard);
  }
  EXPECT_EQ(descriptor_limit_hint(ECONNREFUSED), "");
  EXPECT_NE(descriptor_limit_hint(ENFILE).find("fs.file-max"), std::string::npos);
}

TEST_P(RealDriverTest, AUnixConnectWaitsForRoomInTheBacklog) {
  Address address = Address::unix_path("@clearway-backlog-" + std::to_string(::getpid()));
  const Handle listener = driver().listen(address, 0, false);
  std::vector<Handle> clients = {world_->connect(address)};
  clients.push_back(driver().open_stream(AF_UNIX));
  Probe waiting(Operation::Kind::connect, clients.back());
  waiting.address = &address;
  world_->start(waiting);
  EXPECT_EQ(waiting.completions, 0);
  clients.push_back(world_->accept(listener));
  EXPECT_EQ(world_->finish(waiting), 0);
  clients.push_back(world_->accept(listener));
  clients.push_back(listener);
  for (const Handle handle : clients) driver().close(handle);
  EXPECT_EQ(driver().open_handles(), 0U);
}

TEST_P(RealDriverTest, RandomNumbersDiffer) {
  std::set<std::uint64_t> seen;
  for (int count = 0; count < 100; ++count) seen.insert(driver().random());
  EXPECT_EQ(seen.size(), 100U);
}

// Threads and signals

TEST_P(RealDriverTest, APostEndsAWaitThatHasBegun) {
  std::string refusal;
  Loop loop(make_real(GetParam(), refusal));
  for (int round = 0; round < 200; ++round) {
    std::thread poster([&] { loop.post([&] { loop.stop(); }); });
    loop.run();  // no timer: a wake-up that were lost would hang it
    poster.join();
  }
}

TEST_P(RealDriverTest, ASignalEndsAWait) {
  std::string refusal;
  Loop loop(make_real(GetParam(), refusal));
  int told = 0;
  SignalWatch watch(loop, {SIGUSR1}, [&](int number) {
    told = number;
    loop.stop();
  });
  std::thread sender([] { ::kill(::getpid(), SIGUSR1); });
  loop.run();
  sender.join();
  EXPECT_EQ(told, SIGUSR1);
}

// Conservation: what a cancelled operation had done is its result, and nothing else was done.

// Carries `all` from one end to the other. At one point, what is under way is cancelled.
class Transfer {
 public:
  enum class Victim { reader, writer, both };

  Transfer(World& world, Handle from, Handle to, const std::string& all)
      : world_(world),
        all_(all),
        memory_(70'000, '?'),
        send_(Operation::Kind::send, from),
        receive_(Operation::Kind::receive, to) {}

  // False when there are not so many points.
  bool run(int point, Victim victim) {
    point_ = point;
    victim_ = victim;
    const Instant limit = after(world_.driver().now(), std::chrono::seconds(10));
    while (got_.size() < all_.size() && world_.driver().now() < limit) {
      begin();
      pass();
      if (receive_.completions + send_.completions == 0) world_.driver().wait(limit);
      collect();
      pass();
    }
    if (send_.pending) world_.driver().cancel(send_);
    if (receive_.pending) world_.driver().cancel(receive_);
    while (send_.pending || receive_.pending) world_.driver().wait(limit);
    collect();
    EXPECT_EQ(sent_, all_.size());
    EXPECT_TRUE(got_ == all_) << got_.size() << " of " << all_.size() << " bytes";
    return point_ < 0;
  }

 private:
  void begin() {
    if (!send_.pending && sent_ < all_.size()) {
      const std::size_t whole = std::min<std::size_t>(all_.size() - sent_, 1 + sent_ % 90'000);
      char* const data = const_cast<char*>(all_.data()) + sent_;
      pieces_[0] = {data, whole - whole / 3};
      pieces_[1] = {data + whole - whole / 3, whole / 3};
      send_.vectors = pieces_;
      send_.vector_count = whole / 3 > 0 ? 2 : 1;
      world_.start(send_);
      pass();
    }
    if (receive_.pending) return;
    receive_.data = memory_.data();
    receive_.size = 1 + got_.size() % memory_.size();
    world_.start(receive_);
  }
  void pass() {
    if (point_-- != 0) return;
    if (victim_ != Victim::writer) world_.driver().cancel(receive_);
    if (victim_ != Victim::reader) world_.driver().cancel(send_);
  }
  void collect() {
    if (std::exchange(send_.completions, 0) > 0) {
      EXPECT_TRUE(send_.result > 0 || send_.result == -ECANCELED) << send_.result;
      if (send_.result > 0) sent_ += static_cast<std::size_t>(send_.result);
    }
    if (std::exchange(receive_.completions, 0) > 0) {
      EXPECT_TRUE(receive_.result > 0 || receive_.result == -ECANCELED) << receive_.result;
      if (receive_.result > 0) got_.append(memory_, 0, static_cast<std::size_t>(receive_.result));
    }
  }

  World& world_;
  const std::string& all_;
  std::string memory_;
  Probe send_;
  Probe receive_;
  iovec pieces_[2]{};
  std::size_t sent_ = 0;
  std::string got_;
  int point_ = 0;
  Victim victim_ = Victim::both;
};

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t at = 0; at < size; ++at) text[at] = static_cast<char>(at * 131 + at / 251);
  return text;
}

// Every point of a transfer over a pair, cancelling either side and both.
void cancel_everywhere(World& world, bool tcp) {
  const std::string all = pattern(800'000);
  for (const auto victim :
       {Transfer::Victim::reader, Transfer::Victim::writer, Transfer::Victim::both}) {
    int point = 0;
    for (bool reached = true; reached && !::testing::Test::HasFailure(); ++point) {
      SCOPED_TRACE("cancelled at point " + std::to_string(point));
      if (tcp) {
        Pair pair(world);
        Transfer transfer(world, pair.client, pair.server, all);
        reached = transfer.run(point, victim);
      } else {
        Handle ends[2] = {no_handle, no_handle};
        ASSERT_EQ(world.driver().stream_pair(ends), 0);
        Transfer transfer(world, ends[0], ends[1], all);
        reached = transfer.run(point, victim);
        for (const Handle end : ends) world.driver().close(end);
      }
    }
    EXPECT_GT(point, 10);
  }
  EXPECT_EQ(world.driver().open_handles(), 0U);
}

TEST_P(RealDriverTest, NoByteIsLostOrDoubledByACancellationOverTcp) {
  cancel_everywhere(*world_, true);
}

TEST_P(RealDriverTest, NoByteIsLostOrDoubledByACancellationOverAUnixPair) {
  cancel_everywhere(*world_, false);
}

}  // namespace
}  // namespace driver_tests
