#pragma once

// Work for another loop.
//
//   LoopHandle home = LoopHandle::current();          // taken where the other loop runs
//   auto total = co_await run_on(home, [&] { return sum_of(ledger); });   // on any loop

#include <memory>
#include <mutex>
#include <optional>

#include <clearway/loop/loop.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/timeout.hpp>

namespace clearway {

// Names a loop to other threads; does not keep it running.
class LoopHandle {
 public:
  // The loop of this thread; throws UsageError off any loop.
  static LoopHandle current() { return LoopHandle(Loop::current().mailbox()); }

  // Runs `function` there, soon. False when that loop has ended, or ends before.
  bool post(UniqueFunction<void()> function) const { return mailbox_->post(std::move(function)); }

 private:
  explicit LoopHandle(std::shared_ptr<Mailbox> mailbox) noexcept : mailbox_(std::move(mailbox)) {}
  std::shared_ptr<Mailbox> mailbox_;
};

namespace detail {

class RemoteWaiter;

// A call on its way to another loop, there, or on its way back; shared by both.
class RemoteCall : public std::enable_shared_from_this<RemoteCall> {
 public:
  RemoteCall() : origin_(LoopHandle::current()) {}
  RemoteCall(const RemoteCall&) = delete;
  RemoteCall& operator=(const RemoteCall&) = delete;
  virtual ~RemoteCall() = default;

 protected:
  // Awaits the function on the target's loop and keeps what came of it.
  virtual Task<> work() = 0;

 private:
  friend class RemoteWaiter;
  class Return;
  class Forget;

  void begin(std::shared_ptr<Return> back);
  void cancel();

  LoopHandle origin_;
  RemoteWaiter* waiter_ = nullptr;     // on the origin's thread
  std::optional<TaskHandle<>> child_;  // on the target's thread
  bool cancelled_ = false;             // on the target's thread
  bool begun_ = false;
  bool ended_ = false;  // written there before the way back, read here after it
  std::exception_ptr error_;
};

class RemoteWaiter final : public Waiter {
 public:
  RemoteWaiter(LoopHandle target, std::shared_ptr<RemoteCall> call) noexcept
      : target_(std::move(target)), call_(std::move(call)) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    if (begin(handle.promise())) send();
    return true;
  }
  // Throws what the function threw.
  void await_resume();
  void returned() noexcept { wake(); }

 private:
  void send();
  // The function is cancelled where it runs, and waited for.
  void stop() noexcept override;

  LoopHandle target_;
  std::shared_ptr<RemoteCall> call_;
};

class [[nodiscard("co_await it")]] RemoteOperation {
 public:
  RemoteOperation(LoopHandle target, std::shared_ptr<RemoteCall> call) noexcept
      : target_(std::move(target)), call_(std::move(call)) {}
  RemoteWaiter operator co_await() const { return {target_, call_}; }

 private:
  LoopHandle target_;
  std::shared_ptr<RemoteCall> call_;
};

template <class T, class F>
class RemoteFunction final : public RemoteCall {
 public:
  explicit RemoteFunction(F function) : function_(std::move(function)) {}
  std::optional<Unvoid<T>> value;

 private:
  Task<> work() override {
    if constexpr (std::is_void_v<T>) {
      co_await std::invoke(function_);
      value.emplace();
    } else {
      value.emplace(co_await std::invoke(function_));
    }
  }
  F function_;
};

template <class T, class F>
Task<T> run_on_frame(LoopHandle target, F function) {
  const auto call = std::make_shared<RemoteFunction<T, F>>(std::move(function));
  co_await RemoteOperation(target, call);
  if constexpr (!std::is_void_v<T>) co_return std::move(*call->value);
}

}  // namespace detail

// Runs `function()`, which gives a task, on another loop, in its background group, and gives its
// result here; throws its error. The function and its result cross threads: what they refer to must
// be safe there. Cancelled: the function is cancelled there and waited for. UsageError when the
// other loop has ended, or ends before the function has.
template <class F>
auto run_on(LoopHandle target, F&& function) {
  check_dialect<F>();
  using Function = std::decay_t<F>;
  using T = await_result_t<std::invoke_result_t<Function&>>;
  return detail::run_on_frame<T, Function>(std::move(target), std::forward<F>(function));
}

}  // namespace clearway
