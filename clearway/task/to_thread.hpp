#pragma once

// Blocking code and long computations, in a thread of their own.
//
//   auto digest = co_await to_thread(hash_file, path);
//
// The loop's other tasks go on meanwhile. Cancelling a to_thread waits for the function, because it
// may refer to the awaiting frame, and then gives its result; one that has not begun is not run.
// to_thread(abandonable, ...) is for functions that may hang: cancelled, it leaves the thread
// behind, and so takes its callable and arguments by value only.
//
// In simulation the function runs on the loop's thread, after a short random delay.

#include <atomic>
#include <memory>
#include <optional>
#include <tuple>

#include <clearway/task/sleep.hpp>
#include <clearway/task/thread_pool.hpp>
#include <clearway/task/timeout.hpp>

namespace clearway {

struct Abandonable {};
inline constexpr Abandonable abandonable{};

namespace detail {

// The callable with its arguments, and what came of it.
template <class F, class... Args>
class ThreadCall {
 public:
  using T = std::invoke_result_t<F, Args...>;

  template <class G, class... A>
  explicit ThreadCall(std::in_place_t, G&& function, A&&... arguments)
      : function_(std::forward<G>(function)), arguments_(std::forward<A>(arguments)...) {}

  void call() noexcept {
    try {
      if constexpr (std::is_void_v<T>) {
        std::apply(std::move(function_), std::move(arguments_));
      } else {
        value_.emplace(std::apply(std::move(function_), std::move(arguments_)));
      }
    } catch (...) {  // carried over to the awaiting task
      error_ = std::current_exception();
    }
  }
  T take() {
    if (error_ != nullptr) std::rethrow_exception(error_);
    if constexpr (!std::is_void_v<T>) return std::move(*value_);
  }

 private:
  F function_;
  std::tuple<Args...> arguments_;
  std::optional<Unvoid<T>> value_;
  std::exception_ptr error_;
};

// Waits for a job in a thread; the job's memory is the derived awaiter's business.
class ThreadWaiter : public Waiter, private Timer {
 public:
  bool await_ready() const noexcept { return false; }

 protected:
  ~ThreadWaiter() = default;
  // False: the scope is cancelled and the job was not submitted.
  bool suspend(PromiseBase& frame, ThreadJob& job);
  // True: the job had not begun, and will not.
  bool withdraw() noexcept;
  // A function that has begun is waited for.
  void stop() noexcept override {
    if (withdraw()) wake_cancelled();
  }
  ThreadJob* job_ = nullptr;

 private:
  // In simulation the job runs when this timer fires.
  void expired() override { job_->run_in_thread(); }
};

template <class Call>
class ThreadAwaiter final : public ThreadWaiter, private ThreadJob {
 public:
  explicit ThreadAwaiter(Call call) : call_(std::move(call)) {}
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    mailbox_ = Loop::current().mailbox();
    suspend(handle.promise(), *this);
    return true;
  }
  typename Call::T await_resume() {
    throw_if_cancelled();
    return call_.take();
  }

 private:
  void run_in_thread() noexcept override {
    call_.call();
    // The frame may be gone as soon as the loop has run this: nothing of it is touched afterwards.
    const std::shared_ptr<Mailbox> mailbox = std::move(mailbox_);
    mailbox->post([this] { wake(); });
  }

  Call call_;
  std::shared_ptr<Mailbox> mailbox_;
};

template <class Call>
class AbandonableAwaiter final : public ThreadWaiter {
 public:
  explicit AbandonableAwaiter(Call call) : job_state_(std::make_shared<Job>(std::move(call))) {}
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    job_state_->self = job_state_;
    job_state_->waiter = this;
    job_state_->mailbox = Loop::current().mailbox();
    if (!suspend(handle.promise(), *job_state_)) job_state_->self.reset();
    return true;
  }
  typename Call::T await_resume() {
    throw_if_cancelled();
    return job_state_->call.take();
  }

 private:
  struct Job final : ThreadJob {
    explicit Job(Call call) : call(std::move(call)) {}
    void run_in_thread() noexcept override {
      call.call();
      const std::shared_ptr<Job> keep = std::move(self);
      mailbox->post([keep] {
        if (keep->waiter != nullptr) keep->waiter->wake_from_thread();
      });
    }
    Call call;
    std::shared_ptr<Job> self;  // while the pool refers to it
    AbandonableAwaiter* waiter = nullptr;
    std::shared_ptr<Mailbox> mailbox;
  };
  void wake_from_thread() noexcept { wake(); }
  void stop() noexcept override {
    job_state_->waiter = nullptr;
    if (withdraw()) {
      job_state_->self.reset();
    } else {
      Loop::current().service<ThreadPool>().abandon(*job_state_);
    }
    wake_cancelled();
  }

  std::shared_ptr<Job> job_state_;
};

template <class Call, template <class> class Awaiter>
class [[nodiscard("co_await it")]] ToThread {
 public:
  explicit ToThread(Call call) : call_(std::move(call)) {}
  Awaiter<Call> operator co_await() && { return Awaiter<Call>(std::move(call_)); }

 private:
  Call call_;
};

}  // namespace detail

// How to_thread() makes threads on this thread's loop, from now on. Throws UsageError when the
// options allow no thread.
void set_thread_options(ThreadOptions options);

// Gives function(args...), run in a thread; throws what it throws.
template <class F, class... Args>
  requires(!std::is_same_v<std::decay_t<F>, Abandonable>)
auto to_thread(F&& function, Args&&... args) {
  check_dialect<F>();
  using Call = detail::ThreadCall<std::decay_t<F>, std::decay_t<Args>...>;
  return detail::ToThread<Call, detail::ThreadAwaiter>(
      Call(std::in_place, std::forward<F>(function), std::forward<Args>(args)...));
}

// The same, but cancelling it leaves the thread behind.
template <class F, class... Args>
auto to_thread(Abandonable, F&& function, Args&&... args) {
  check_dialect<F>();
  using Call = detail::ThreadCall<std::decay_t<F>, std::decay_t<Args>...>;
  return detail::ToThread<Call, detail::AbandonableAwaiter>(
      Call(std::in_place, std::forward<F>(function), std::forward<Args>(args)...));
}

}  // namespace clearway
