// Blocking calls in tasks: reported once per call site, or thrown.

#include <cstdlib>
#include <thread>

#include <netdb.h>
#include <poll.h>

#include <clearway/task/workers.hpp>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::gave;
using tests::Logged;
using tests::Outcome;
using tests::Pair;

class HooksBlocking : public ::testing::Test {
 protected:
  void SetUp() override { fiber::set_blocking(fiber::Blocking::warn); }
  void TearDown() override { fiber::set_blocking(fiber::Blocking::warn); }
  Logged logged_;
};

// Of these tests the only place that sleeps.
[[gnu::noinline]] void take_a_moment() {
  const timespec moment{.tv_sec = 0, .tv_nsec = 1'000};
  ::nanosleep(&moment, nullptr);
}

Task<> careless() {
  take_a_moment();
  co_return;
}

TEST_F(HooksBlocking, IsReportedOncePerPlaceWithTheAwaitChain) {
  run([]() -> Task<> {
    for (int count = 0; count < 3; ++count) co_await careless();
  }());
  EXPECT_THAT(Logged::lines(), ElementsAre(HasSubstr("nanosleep() blocks the loop")));
  EXPECT_THAT(Logged::lines()[0], HasSubstr("called from test_fiber_hooks"));
  EXPECT_THAT(Logged::lines()[0], HasSubstr("careless() at blocking_test.cpp"));
}

TEST_F(HooksBlocking, CanThrow) {
  fiber::set_blocking(fiber::Blocking::throw_error);
  run([]() -> Task<> {
    EXPECT_THAT(tests::error_of(take_a_moment), HasSubstr("blocks the loop"));
    Pair pair;
    char byte = 0;
    EXPECT_THAT(tests::error_of([&] { ::recv(pair.near.get(), &byte, 1, 0); }),
                HasSubstr("recv() blocks the loop"));
    EXPECT_THAT(tests::error_of([&] { ::read(pair.near.get(), &byte, 1); }),
                HasSubstr("read() blocks the loop"));
    pollfd one{pair.near.get(), POLLIN, 0};
    EXPECT_THAT(tests::error_of([&] { ::poll(&one, 1, 10); }), HasSubstr("poll() blocks the loop"));
    addrinfo* found = nullptr;
    EXPECT_THAT(tests::error_of([&] { ::getaddrinfo("localhost", "1", nullptr, &found); }),
                HasSubstr("getaddrinfo() blocks the loop"));
    const std::string text(4'000'000, 'x');
    EXPECT_THAT(tests::error_of([&] { ::send(pair.near.get(), text.data(), text.size(), 0); }),
                HasSubstr("send() blocks the loop"));
    EXPECT_THAT(tests::error_of([&] { static_cast<void>(std::system("exit 0")); }),
                HasSubstr("system() blocks the loop"));
    co_return;
  }());
}

TEST_F(HooksBlocking, WhatDoesNotBlockIsNotReported) {
  fiber::set_blocking(fiber::Blocking::throw_error);
  run([]() -> Task<> {
    Pair pair;
    char data[8];
    EXPECT_EQ(Outcome(::send(pair.far.get(), "abc", 3, 0)), gave(3));
    EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 8, 0)), gave(3));
    EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 8, MSG_DONTWAIT)), tests::failed(EAGAIN));
    pollfd one{pair.near.get(), POLLIN, 0};
    EXPECT_EQ(Outcome(::poll(&one, 1, 0)), gave(0));
    tests::Pipe pipe;  // which has room for this, though it promises less
    const std::string text(20'000, 'p');
    EXPECT_EQ(Outcome(::write(pipe.in.get(), text.data(), text.size())), gave(20'000));
    ::fcntl(pair.near.get(), F_SETFL, O_NONBLOCK);
    EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 8, 0)), tests::failed(EAGAIN));
    co_await sleep(1ms);
    co_await to_thread(take_a_moment);
    co_await fiber::run(take_a_moment);
  }());
  take_a_moment();  // on no loop
  EXPECT_THAT(Logged::lines(), IsEmpty());
}

TEST_F(HooksBlocking, CanBeAllowed) {
  fiber::set_blocking(fiber::Blocking::throw_error);
  run([]() -> Task<> {
    {
      const fiber::AllowBlocking on_purpose;
      take_a_moment();
    }
    EXPECT_NE(tests::error_of(take_a_moment), "");
    fiber::set_blocking(fiber::Blocking::ignore);
    take_a_moment();
    co_return;
  }());
}

// What a fiber awaits is a task: it has no business in blocking calls.
TEST_F(HooksBlocking, ATaskThatAFiberAwaitsIsATask) {
  fiber::set_blocking(fiber::Blocking::throw_error);
  run([]() -> Task<> {
    const auto body = [] { return tests::error_of([] { fiber::await(careless()); }); };
    const std::string message = co_await fiber::run(body);
    EXPECT_THAT(message, HasSubstr("blocks the loop"));
  }());
}

TEST_F(HooksBlocking, WorkersEndWithoutBlockingTheLoopThatWaitsForThem) {
  fiber::set_blocking(fiber::Blocking::throw_error);
  run(run_workers(2, [](Worker) -> Task<> { co_await sleep(1ms); }));
  EXPECT_THAT(Logged::lines(), IsEmpty());
}

}  // namespace
}  // namespace clearway
