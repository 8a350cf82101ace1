#pragma once

// A cancel scope as an object: for work that is cancelled by something else than a deadline or a
// failing sibling.
//
//   co_await with_scope([&](CancelScope& scope) -> Task<> {
//     stop_button.clicked = [&] { scope.cancel(); };
//     co_await play(film);
//   });

#include <optional>

#include <clearway/task/timeout.hpp>

namespace clearway {

struct ScopeOptions {
  // Cancels the scope when it passes.
  Duration within = Duration::max();
  // What is cancelled around this scope does not reach into it.
  bool shield = false;
};

namespace detail {

template <class F>
class WithScopeAwaiter final
    : public ScopedAwaiter<await_result_t<std::invoke_result_t<F&, CancelScope&>>, DeadlineScope> {
  using T = await_result_t<std::invoke_result_t<F&, CancelScope&>>;
  using Base = ScopedAwaiter<T, DeadlineScope>;

 public:
  WithScopeAwaiter(F body, ScopeOptions options)
      : Base(OwnedFrame<T>()), body_(std::move(body)), options_(options) {}
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    this->scope_.enter(parent.promise().scope, options_.shield);
    if (options_.within != Duration::max()) {
      this->scope_.start(after(Loop::current().now(), options_.within));
    }
    auto task = std::invoke(body_, static_cast<CancelScope&>(this->scope_));
    this->frame_ = take_frame(task);
    return this->start(parent.promise());
  }
  std::optional<Unvoid<T>> await_resume() {
    this->scope_.stop();
    return this->take_unless_absorbed();
  }

 private:
  F body_;
  ScopeOptions options_;
};

template <class F>
class [[nodiscard("co_await it")]] WithScope {
 public:
  WithScope(F body, ScopeOptions options) : body_(std::move(body)), options_(options) {}
  WithScopeAwaiter<F> operator co_await() && {
    return WithScopeAwaiter<F>(std::move(body_), options_);
  }

 private:
  F body_;
  ScopeOptions options_;
};

}  // namespace detail

// Awaits `body(scope)`. Gives an optional of its result, nullopt when the scope was cancelled
// before there was one. The scope lives until the await is over.
template <class F>
  requires std::is_invocable_v<std::decay_t<F>&, CancelScope&>
auto with_scope(F&& body, ScopeOptions options = {}) {
  check_dialect<F>();
  return detail::WithScope<std::decay_t<F>>(std::forward<F>(body), options);
}

}  // namespace clearway
