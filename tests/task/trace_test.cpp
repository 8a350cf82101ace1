// The text of an uncaught error: which coroutine waited for which, and where.

#include <clearway/task/trace.hpp>

#include <string>
#include <vector>

#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/task_group.hpp>
#include <tests/support/worlds.hpp>

// Compilers write a namespace without a name differently.
namespace trace_test {

using namespace clearway;

// The lines of this file that the chains name.
struct Lines {
  unsigned leaf = 0;
  unsigned middle = 0;
  unsigned root = 0;
  unsigned group = 0;
  unsigned gather = 0;
  unsigned range = 0;
};
Lines lines;

Task<int> leaf(int number) {
  lines.leaf = __LINE__ + 1;
  co_await yield();
  if (number == 7) throw Error("seven is not served");
  co_return number;
}
Task<int> middle(int number) {
  lines.middle = __LINE__ + 1;
  const int result = co_await leaf(number);
  co_return result + 1;
}
Task<> root() {
  lines.root = __LINE__ + 1;
  static_cast<void>(co_await middle(7));
}
Task<> in_group() {
  const auto body = [](TaskGroup& group) -> Task<> {
    lines.group = __LINE__ + 1;
    const auto handle = group.start(middle, 7);
    handle.set_name("billing");
    co_return;
  };
  co_await task_group(body);
}
// Puts a scope between a frame and its own, as awaiters with a deadline do.
class InBetween {
 public:
  explicit InBetween(OwnedFrame<int> frame) : inner_(std::move(frame)) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    frame_ = &parent.promise();
    scope_.enter(frame_->scope);
    frame_->scope = &scope_;
    return inner_.await_suspend(parent);
  }
  int await_resume() {
    frame_->scope = scope_.parent();
    scope_.leave();
    return inner_.await_resume();
  }

 private:
  detail::TaskAwaiter<int> inner_;
  PromiseBase* frame_ = nullptr;
  CancelScope scope_;
};

class PutInBetween {
 public:
  explicit PutInBetween(Task<int> task) : frame_(task.release()) {}
  InBetween operator co_await() && { return InBetween(std::move(frame_)); }

 private:
  OwnedFrame<int> frame_;
};

Task<int> between(int number) {
  lines.middle = __LINE__ + 1;
  const int result = co_await PutInBetween(leaf(number));
  co_return result;
}
Task<> in_group_between() {
  const auto body = [](TaskGroup& group) -> Task<> {
    lines.group = __LINE__ + 1;
    const auto handle = group.start(between, 7);
    handle.set_name("billing");
    co_return;
  };
  co_await task_group(body);
}
Task<> in_gather() {
  lines.gather = __LINE__ + 1;
  co_await gather(leaf(1), middle(7));
}
Task<> in_range() {
  const std::vector<int> numbers{1, 7};
  lines.range = __LINE__ + 1;
  co_await gather(numbers, leaf);
}
// clang-format off
Task<> at_once() { throw Error("at once"); co_return; }
// clang-format on
constexpr unsigned at_once_line = __LINE__ - 2;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// What an uncaught error of `program` prints, in one compiler's words.
std::string report_of(Task<> (*program)()) {
  std::string text = clearway::tests::error_of([&] { sim::run({}, program); });
  replace_all(text, "clearway::Task<", "Task<");
  replace_all(text, "Task<void>", "Task<>");
  return text;
}

TEST(Trace, APlainChain) {
  const std::string report = report_of(root);
  EXPECT_EQ(report, fmt::format("seed 1: seven is not served\n"
                                "  in Task<int> trace_test::leaf(int) at trace_test.cpp:{}\n"
                                "  in Task<int> trace_test::middle(int) at trace_test.cpp:{}\n"
                                "  in Task<> trace_test::root() at trace_test.cpp:{}\n",
                                lines.leaf, lines.middle, lines.root));
}

TEST(Trace, AChildOfAGroupWithItsNameAndWhereItWasStarted) {
  const std::string report = report_of(in_group);
  EXPECT_EQ(report,
            fmt::format("seed 1: seven is not served\n"
                        "  in Task<int> trace_test::leaf(int) at trace_test.cpp:{}\n"
                        "  in Task<int> trace_test::middle(int) \"billing\" at trace_test.cpp:{}\n"
                        "  in Task<> trace_test::in_group() at trace_test.cpp:{}\n",
                        lines.leaf, lines.middle, lines.group));
}

TEST(Trace, AChildWhoseFrameWaitsInAnotherScope) {
  const std::string report = report_of(in_group_between);
  EXPECT_EQ(report,
            fmt::format("seed 1: seven is not served\n"
                        "  in Task<int> trace_test::leaf(int) at trace_test.cpp:{}\n"
                        "  in Task<int> trace_test::between(int) \"billing\" at trace_test.cpp:{}\n"
                        "  in Task<> trace_test::in_group_between() at trace_test.cpp:{}\n",
                        lines.leaf, lines.middle, lines.group));
}

TEST(Trace, AGather) {
  const std::string report = report_of(in_gather);
  EXPECT_EQ(report, fmt::format("seed 1: seven is not served\n"
                                "  in Task<int> trace_test::leaf(int) at trace_test.cpp:{}\n"
                                "  in Task<int> trace_test::middle(int) at trace_test.cpp:{}\n"
                                "  in Task<> trace_test::in_gather() at trace_test.cpp:{}\n",
                                lines.leaf, lines.middle, lines.gather));
}

TEST(Trace, AGatherOverARange) {
  const std::string report = report_of(in_range);
  EXPECT_EQ(report, fmt::format("seed 1: seven is not served\n"
                                "  in Task<int> trace_test::leaf(int) at trace_test.cpp:{}\n"
                                "  in Task<> trace_test::in_range() at trace_test.cpp:{}\n",
                                lines.leaf, lines.range));
}

TEST(Trace, ACoroutineThatFailedBeforeItAwaited) {
  const std::string report = report_of(at_once);
  EXPECT_EQ(report, fmt::format("seed 1: at once\n"
                                "  in Task<> trace_test::at_once() at trace_test.cpp:{}\n",
                                at_once_line));
}

}  // namespace trace_test
