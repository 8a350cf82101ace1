#pragma once

// Blocking code among tasks. A fiber runs an ordinary function on a stack of its own, on the thread
// of the loop: where a task would wait, in the middle of whatever library, the fiber gives the
// thread to the others.
//
//   auto sid = co_await fiber::run(send_sms, from, to, body);  // from a task into a fiber
//   auto json = fiber::await(fetch_json(session, url));        // and back, inside it
//   int main() { return fiber::run_main(serve_blocking); }     // nothing but fibers
//
// fiber::await() works everywhere. For blocking calls (recv, poll, connect, sleep, getaddrinfo …)
// of C libraries to do the same, link clearway::fiber_hooks; see docs/guides/blocking.md.
//
// A fiber stays on its thread, and mutexes belong to threads: do not hold one where a fiber waits,
// and give a connection to one fiber at a time.

#include <tuple>
#include <utility>

#include <clearway/fiber/blocking.hpp>
#include <clearway/fiber/core.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/to_thread.hpp>

namespace clearway {

namespace detail {

template <class Call>
class FiberAwaiter {
 public:
  template <class... Parts>
  explicit FiberAwaiter(std::in_place_t, Parts&&... parts)
      : call_(std::in_place, std::forward<Parts>(parts)...) {}
  FiberAwaiter(const FiberAwaiter&) = delete;
  FiberAwaiter& operator=(const FiberAwaiter&) = delete;
  ~FiberAwaiter() {
    if (fiber_ != nullptr) fiber_->release();
  }

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    const Fiber::Started started = Fiber::start(parent.promise(), run_call, &call_);
    fiber_ = started.fiber;
    interrupted_ = started.interrupted;
    return fiber_ != nullptr;
  }
  typename Call::T await_resume() {
    if (fiber_ != nullptr ? fiber_->interrupted() : interrupted_) throw Cancelled();
    return call_.take();
  }

 private:
  static void run_call(void* call) noexcept { static_cast<Call*>(call)->call(); }

  Call call_;
  Fiber* fiber_ = nullptr;
  bool interrupted_ = false;
};

// Without room for a result: to move that as well, empty as it is, would cost as much as the
// switch.
template <class F, class... Args>
class [[nodiscard("co_await it")]] RunOnFiber {
 public:
  using Awaiter = FiberAwaiter<ThreadCall<F, Args...>>;

  template <class G, class... A>
  explicit RunOnFiber(std::in_place_t, G&& function, A&&... arguments)
      : function_(std::forward<G>(function)), arguments_(std::forward<A>(arguments)...) {}
  Awaiter operator co_await() && {
    const auto make = [this](Args&... arguments) {
      return Awaiter(std::in_place, std::move(function_), std::move(arguments)...);
    };
    return std::apply(make, arguments_);
  }

 private:
  F function_;
  std::tuple<Args...> arguments_;
};

// Awaiting one of these is one wait, which a fiber can do itself: a frame between them would only
// pass its result on.
template <class A>
concept SingleWait =
    Description<A> && std::derived_from<decltype(std::declval<A>().operator co_await()), Waiter>;

template <class A>
[[gnu::always_inline]] inline await_result_t<A> wait_on_fiber(Fiber& fiber, A& description) {
  const OnBehalf on_behalf(fiber);
  if (fiber.abandoned()) throw Cancelled();
  auto awaiter = std::move(description).operator co_await();
  try {
    if (!awaiter.await_ready() && awaiter.await_suspend(fiber.handle())) fiber.wait();
    return awaiter.await_resume();
  } catch (const std::exception&) {
    fiber.note_failed_await();
    throw;
  }
}

}  // namespace detail

namespace fiber {

// Gives function(args...), run on a fiber; throws what it throws. It runs at once, up to its first
// wait, unless fibers have had a millisecond of this turn of the loop. Throws SystemError, which
// names the limit, when there is no stack for another fiber.
//
// Cancellation reaches the fiber in what it waits for, and in everything that it would wait for
// later: fiber::await() throws Cancelled, and a blocking call fails with ECANCELED. The function
// then ends as it does for any other error, and when it has ended, the await throws Cancelled. A
// result or an exception of a function of which a call was refused is dropped.
template <class F, class... Args>
auto run(F&& function, Args&&... args) {
  check_dialect<F>();
  return clearway::detail::RunOnFiber<std::decay_t<F>, std::decay_t<Args>...>(
      std::in_place, std::forward<F>(function), std::forward<Args>(args)...);
}

// On a fiber: waits for `awaitable`, a task or anything else that can be awaited, while the loop
// goes on, and gives its result; throws what it throws, and Cancelled when the fiber is cancelled.
// Throws UsageError when it is not called on a fiber.
//
// (Inlined into its caller: see Fiber::wait.)
template <Awaitable A>
[[gnu::always_inline]] inline await_result_t<A> await(A awaitable, Site site = Site::current()) {
  clearway::detail::Fiber& current = clearway::detail::Fiber::current_for("fiber::await");
  current.promise().awaiting = site;
  if constexpr (clearway::detail::SingleWait<A>) {
    return clearway::detail::wait_on_fiber(current, awaitable);
  } else {
    auto frame = clearway::detail::take_frame(awaitable);
    clearway::detail::await_on_fiber(current, frame.promise());
    return frame.promise().take();
  }
}

// The fiber that this thread runs on, or not.
[[nodiscard]] inline bool on_fiber() noexcept {
  return clearway::detail::Fiber::current() != nullptr;
}

// The body of main() for a program in blocking style: runs `function` on a fiber of a new loop and
// gives the exit status, as clearway::run_main() does: its int result, or 0; 1 after an uncaught
// error; 130 after Ctrl-C and 143 after SIGTERM, which cancel the fiber.
template <class F>
  requires std::is_invocable_v<F&>
int run_main(F function) {
  using T = std::invoke_result_t<F&>;
  static_assert(std::is_void_v<T> || std::is_same_v<T, int>,
                "the function gives the exit status (int) or nothing");
  const auto amain = [&]() -> Task<T> { co_return co_await run(std::ref(function)); };
  return clearway::run_main(amain());
}

}  // namespace fiber
}  // namespace clearway
