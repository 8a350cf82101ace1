#include <clearway/task/with_scope.hpp>

#include <gtest/gtest.h>

#include <clearway/clearway.hpp>
#include <clearway/task/simulate.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

Task<int> answer_after(Duration delay) {
  co_await sleep(delay);
  co_return 42;
}

TEST(WithScope, GivesTheBodysResult) {
  sim::run({}, []() -> Task<> {
    auto body = [](CancelScope&) { return answer_after(1s); };
    auto result = co_await with_scope(body);
    EXPECT_EQ(result, 42);
  });
}

TEST(WithScope, CancelledFromOutsideTheBody) {
  sim::run_seeds(20, []() -> Task<> {
    CancelScope* handle = nullptr;
    bool after_scope = false;
    auto body = [&](CancelScope& scope) {
      handle = &scope;
      return answer_after(1h);
    };
    auto waiter = [&]() -> Task<> {
      auto result = co_await with_scope(body);
      EXPECT_FALSE(result.has_value());
      co_await sleep(1s);  // the cancellation has stayed inside
      after_scope = true;
    };
    auto canceller = [&]() -> Task<> {
      co_await sleep(1min);
      handle->cancel();
    };
    co_await gather(waiter(), canceller());
    EXPECT_TRUE(after_scope);
    EXPECT_EQ(loop_time().time_since_epoch(), 61s);
  });
}

TEST(WithScope, TheDeadlineCancelsIt) {
  sim::run({}, []() -> Task<> {
    auto body = [](CancelScope&) { return answer_after(1h); };
    auto result = co_await with_scope(body, {.within = 5s});
    EXPECT_FALSE(result.has_value());
    EXPECT_EQ(loop_time().time_since_epoch(), 5s);
  });
}

TEST(WithScope, AShieldKeepsOutwardCancellationsOut) {
  sim::run({}, []() -> Task<> {
    auto body = [](CancelScope&) { return answer_after(3s); };
    std::optional<int> inner;
    auto outer = [&]() -> Task<> { inner = co_await with_scope(body, {.shield = true}); };
    co_await move_on_after(1s, outer());
    EXPECT_EQ(inner, 42);
    EXPECT_EQ(loop_time().time_since_epoch(), 3s);
  });
}

TEST(WithScope, LeavesNothingBehindWhereverItIsCancelled) {
  sim::exhaust_cancellation([](sim::Stage& stage) -> Task<> {
    auto body = [](CancelScope&) { return answer_after(3s); };
    co_await stage.run(with_scope(body));
  });
}

}  // namespace
}  // namespace clearway
