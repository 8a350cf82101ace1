// What concerns the io_uring driver alone: how often it enters the kernel, the buffers that
// receives share, and what is left in the kernel when a descriptor is closed.

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <tests/loop/driver_world.hpp>

#include <fcntl.h>
#include <deque>
#include <filesystem>

namespace driver_tests {
namespace {

using namespace clearway;

class UringDriverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string refusal;
    std::unique_ptr<Driver> made = make_real("uring", refusal);
    if (made == nullptr) GTEST_SKIP() << refusal;
    world_ = std::make_unique<World>(std::move(made));
  }
  UringDriver& driver() { return static_cast<UringDriver&>(world_->driver()); }

  std::unique_ptr<World> world_;
};

// Copies what came at once, as an owner of memory that others use too must.
class SharingProbe final : public Operation {
 public:
  SharingProbe(Handle on, char* memory, std::size_t most) {
    kind = Kind::receive;
    handle = on;
    data = memory;
    size = most;
  }
  void completed() override {
    if (result > 0) got.assign(static_cast<char*>(data), static_cast<std::size_t>(result));
    done = true;
  }

  std::string got;
  bool done = false;
};

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

// The figure that benchmarks compare: the answer and the wait for the next request go to the kernel
// with the one call that waits.
TEST_F(UringDriverTest, ARequestCostsOneEnter) {
  Pair pair(*world_);
  char request[100];
  Probe receive(Operation::Kind::receive, pair.server);
  receive.data = request;
  receive.size = sizeof request;
  Probe send(Operation::Kind::send, pair.server);
  iovec answer{const_cast<char*>("200"), 3};
  send.vectors = &answer;
  send.vector_count = 1;
  world_->start(receive);
  driver().wait(Instant::min());
  const UringDriver::Calls before = driver().calls();
  constexpr std::uint64_t rounds = 50;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    ASSERT_EQ(::send(pair.client, "GET /", 5, 0), 5);
    while (receive.completions == 0 || (round > 0 && send.completions == 0)) driver().wait(never);
    ASSERT_EQ(receive.result, 5);
    world_->start(send);
    world_->start(receive);
    EXPECT_EQ(send.completions + receive.completions, 0);
  }
  EXPECT_EQ(driver().calls().enter - before.enter, rounds);
  EXPECT_EQ(driver().calls().receive, before.receive);
  EXPECT_EQ(driver().calls().requests - before.requests, 2 * rounds);
  EXPECT_EQ(world_->finish(send), 3);
  driver().cancel(receive);
  EXPECT_EQ(world_->finish(receive), -ECANCELED);
}

TEST_F(UringDriverTest, PollingWithNothingToDoIsNoSystemCall) {
  driver().wait(Instant::min());
  const std::uint64_t before = driver().calls().enter;
  for (int turn = 0; turn < 10; ++turn) driver().wait(Instant::min());
  EXPECT_EQ(driver().calls().enter, before);
}

// More receives have bytes at once than there are buffers, and all name the same memory.
TEST_F(UringDriverTest, ReceivesShareMemoryAndBuffers) {
  constexpr int pairs = 600;
  static_assert(pairs > 2 * UringBuffers::count);
  std::vector<std::array<Handle, 2>> ends(pairs);
  std::vector<std::unique_ptr<SharingProbe>> probes;
  char memory[100];
  for (auto& pair : ends) {
    Handle both[2] = {no_handle, no_handle};
    ASSERT_EQ(driver().stream_pair(both), 0);
    pair = {both[0], both[1]};
    probes.push_back(std::make_unique<SharingProbe>(both[1], memory, sizeof memory));
  }
  for (int round = 0; round < 3; ++round) {
    for (int index = 0; index < pairs; ++index) {
      probes[static_cast<std::size_t>(index)]->done = false;
      EXPECT_FALSE(driver().submit(*probes[static_cast<std::size_t>(index)]));
    }
    if (round > 0) driver().wait(Instant::min());  // they wait before, or find the bytes there
    for (int index = 0; index < pairs; ++index) {
      const std::string text = "message " + std::to_string(index);
      ASSERT_GT(::send(ends[static_cast<std::size_t>(index)][0], text.data(), text.size(), 0), 0);
    }
    const Instant limit = after(driver().now(), std::chrono::seconds(10));
    for (int index = 0; index < pairs; ++index) {
      SharingProbe& probe = *probes[static_cast<std::size_t>(index)];
      while (!probe.done && driver().now() < limit) driver().wait(limit);
      EXPECT_EQ(probe.got, "message " + std::to_string(index));
    }
  }
  for (const auto& pair : ends) {
    for (const Handle end : pair) driver().close(end);
  }
}

TEST_F(UringDriverTest, AReceiveThatIsLargerThanABufferIsFilled) {
  Pair pair(*world_);
  const std::string all(60'000, 'x');
  ASSERT_EQ(::send(pair.client, all.data(), all.size(), 0), std::ssize(all));
  std::string into(100'000, ' ');
  EXPECT_EQ(world_->receive(pair.server, into.data(), into.size()), std::ssize(all));
}

// The end and the error that follow bytes are told by the receive after them.
TEST_F(UringDriverTest, AResetThatFollowsManyBytesIsNotLost) {
  for (const std::size_t size : {std::size_t{10}, UringBuffers::size + std::size_t{1}}) {
    Pair pair(*world_);
    const std::string all(size, 'x');
    ASSERT_EQ(::send(pair.client, all.data(), all.size(), 0), std::ssize(all));
    std::string into(100'000, ' ');
    const auto half = static_cast<std::int64_t>(size / 2);
    EXPECT_EQ(world_->receive(pair.server, into.data(), size / 2), half);
    driver().reset(std::exchange(pair.client, no_handle));
    std::int64_t error = 0;
    world_->receive_all(pair.server, &error);
    EXPECT_EQ(error, -ECONNRESET);
  }
}

// As the pool of the client does with an idle connection.
TEST_F(UringDriverTest, AWaitForReadinessEndsAtOnceAndTheDescriptorCanBeClosed) {
  Pair pair(*world_);
  driver().wait(Instant::min());
  driver().wait(Instant::min());  // the listener's request has ended
  Probe readable(Operation::Kind::readable, pair.server);
  world_->start(readable);
  driver().wait(Instant::min());
  EXPECT_EQ(driver().in_flight(), 1U);
  driver().cancel(readable);
  EXPECT_EQ(readable.completions, 1);
  EXPECT_EQ(readable.result, -ECANCELED);
  const Handle number = pair.server;
  pair.close(pair.server);
  EXPECT_EQ(::fcntl(number, F_GETFD), -1) << "it is still open";
  char byte = 0;
  EXPECT_EQ(world_->receive(pair.client, &byte, 1), 0) << "the peer sees the end";
  EXPECT_EQ(driver().in_flight(), 0U);
}

TEST_F(UringDriverTest, ConnectionsThatNobodyTakesStayInTheKernel) {
  const std::ptrdiff_t before = open_descriptors();
  Address address = Address::loopback(0);
  const Handle listener = driver().listen(address, 16, false);
  Handle client = world_->connect(address);
  const Handle server = world_->accept(listener);
  for (int turn = 0; turn < 3; ++turn) driver().wait(Instant::min());
  EXPECT_EQ(driver().in_flight(), 0U);
  const Handle late = world_->connect(address);
  for (int turn = 0; turn < 3; ++turn) driver().wait(Instant::min());
  EXPECT_EQ(open_descriptors() - before, 4) << "the listener, two clients, one accepted";
  for (const Handle handle : {client, late, server, listener}) driver().close(handle);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(UringDriverTest, AListenerThatIsClosedDropsWhatItAccepted) {
  const std::ptrdiff_t before = open_descriptors();
  Address address = Address::loopback(0);
  const Handle listener = driver().listen(address, 16, false);
  Probe accept(Operation::Kind::accept, listener);
  world_->start(accept);
  driver().wait(Instant::min());
  const Handle first = world_->connect(address);
  const Handle second = world_->connect(address);
  const auto server = static_cast<Handle>(world_->finish(accept));
  driver().close(listener);
  std::int64_t error = 0;
  world_->receive_all(second, &error);
  EXPECT_EQ(error, -ECONNRESET);
  const Handle again = driver().listen(address, 16, false);
  EXPECT_GE(again, 0) << "the port is free at once";
  for (const Handle handle : {first, second, server, again}) driver().close(handle);
  EXPECT_EQ(driver().open_handles(), 0U);
  driver().wait(Instant::min());
  EXPECT_EQ(open_descriptors(), before);
}

// Makes more completions than the kernel's queue holds, so that those after them come later.
class Flood {
 public:
  explicit Flood(UringDriver& driver)
      : driver_(driver), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    for (int number = 0; number < count; ++number) {
      EXPECT_FALSE(driver.submit(probes_.emplace_back(Operation::Kind::readable, event_.get())));
    }
    driver.wait(Instant::min());
  }
  void start() {
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(event_.get(), &one, sizeof one), 8);
  }
  void end() {
    const Instant limit = after(driver_.now(), std::chrono::seconds(10));
    for (const Probe& probe : probes_) {
      while (probe.completions == 0 && driver_.now() < limit) driver_.wait(limit);
      ASSERT_EQ(probe.completions, 1);
    }
    while (driver_.in_flight() > 0 && driver_.now() < limit) driver_.wait(Instant::min());
  }

 private:
  class OwnProbe final : public Probe {
   public:
    using Probe::Probe;
  };
  static constexpr int count = 5000;  // the queue has 4,096

  UringDriver& driver_;
  Descriptor event_;
  std::deque<OwnProbe> probes_;  // which never moves them
};

// The completion of what was cancelled is not there when close() returns: the descriptor stays open
// until it is, since its number must not be given to another one before.
TEST_F(UringDriverTest, ADescriptorIsClosedWithItsLastCompletion) {
  Pair pair(*world_);
  Flood flood(driver());
  Probe readable(Operation::Kind::readable, pair.server);
  world_->start(readable);
  driver().wait(Instant::min());
  driver().cancel(readable);
  flood.start();
  const Handle number = pair.server;
  pair.close(pair.server);
  EXPECT_NE(::fcntl(number, F_GETFD), -1) << "closed before the kernel had let go of it";
  EXPECT_EQ(driver().open_handles(), 2U) << "for its owner it is gone";
  flood.end();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1) << "it stays open";
  EXPECT_EQ(driver().in_flight(), 0U);
  char byte = 0;
  EXPECT_EQ(world_->receive(pair.client, &byte, 1), 0) << "the peer sees the end";
}

TEST_F(UringDriverTest, AConnectionThatComesToAClosingListenerIsReset) {
  const std::ptrdiff_t before = open_descriptors();
  {
    Flood flood(driver());
    Address address = Address::loopback(0);
    const Handle listener = driver().listen(address, 16, false);
    Probe accept(Operation::Kind::accept, listener);
    world_->start(accept);
    const Handle first = world_->connect(address);
    const auto server = static_cast<Handle>(world_->finish(accept));
    flood.start();
    const Descriptor late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(late.get(), address.data(), address.size()), 0);
    driver().close(listener);
    EXPECT_NE(::fcntl(listener, F_GETFD), -1) << "closed before the kernel had let go of it";
    flood.end();
    EXPECT_EQ(::fcntl(listener, F_GETFD), -1) << "it stays open";
    char byte = 0;
    EXPECT_EQ(::recv(late.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, ECONNRESET);
    for (const Handle handle : {first, server}) driver().close(handle);
    driver().wait(Instant::min());
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(driver().open_handles(), 0U);
}

TEST_F(UringDriverTest, SaysWhatItUses) {
  EXPECT_EQ(driver().name(), "io_uring");
  EXPECT_NE(driver().description(), "");
}

}  // namespace
}  // namespace driver_tests
