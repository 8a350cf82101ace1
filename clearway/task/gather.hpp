#pragma once

// Several tasks at once, results in order.
//
//   auto [user, orders] = co_await gather(load_user(id), load_orders(id));
//   auto pages = co_await gather(urls, fetch);                   // a vector
//   auto pages = co_await gather(urls, fetch, {.limit = 20});    // at most twenty at a time
//
// All are started at once, in order; of a range that takes long to start (2 ms), the rest starts in
// the loop's next turns, so that others are not kept waiting. The first error cancels the others
// and is thrown when all have ended, with later errors attached to it. Cancelling the whole cancels
// every child and waits for them; results of children that had finished are dropped, unless all
// had, which is a result.

#include <deque>
#include <limits>
#include <optional>
#include <ranges>
#include <tuple>
#include <vector>

#include <clearway/task/join.hpp>
#include <clearway/task/timeout.hpp>

namespace clearway {

struct GatherOptions {
  // How many children may run at once; the others start as these end.
  std::size_t limit = std::numeric_limits<std::size_t>::max();
};

namespace detail {

template <class... T>
class GatherAwaiter final : public Join {
 public:
  explicit GatherAwaiter(std::tuple<OwnedFrame<T>...> frames) : frames_(std::move(frames)) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    open(parent.promise());
    std::apply([this](auto&... frame) { (start(frame.promise()), ...); }, frames_);
    return close();
  }
  auto await_resume() {
    finish();
    return std::apply(
        [](auto&... frame) { return std::tuple<Unvoid<T>...>(take(frame.promise())...); }, frames_);
  }

 private:
  void start(PromiseBase& child) noexcept {
    if (error_ == nullptr) launch(child, *this);
  }
  void collect(PromiseBase&) noexcept override {}
  template <class U>
  static Unvoid<U> take(Promise<U>& promise) {
    if constexpr (std::is_void_v<U>) {
      return {};
    } else {
      return promise.take();
    }
  }

  std::tuple<OwnedFrame<T>...> frames_;
};

template <class... T>
class [[nodiscard("co_await it")]] Gather {
 public:
  explicit Gather(OwnedFrame<T>... frames) : frames_(std::move(frames)...) {}
  GatherAwaiter<T...> operator co_await() && { return GatherAwaiter<T...>(std::move(frames_)); }

 private:
  std::tuple<OwnedFrame<T>...> frames_;
};

// Starts children one by one, at most `limit` at a time, without recursion.
class Pump : public Join, private Ready {
 protected:
  explicit Pump(std::size_t limit) noexcept : limit_(limit) {}
  ~Pump() = default;

  // Starts children as long as there are some and the limit allows.
  void pump() noexcept;
  PromiseBase* child_finished(PromiseBase& child) noexcept {
    settle(child);
    pump();
    return pending_ == 0 ? parent_ : nullptr;
  }
  virtual bool exhausted() = 0;
  // Makes the next child and launches it.
  virtual void start_next() = 0;

 private:
  void start_some();
  // Goes on in the loop's next turn, and holds the join open until then.
  void rest() noexcept;
  void run() final;

  std::size_t limit_;
  bool pumping_ = false;
  bool resting_ = false;
};

// T's results of children in the order of the range. A vector, except for bool, whose vector has no
// references to its elements.
template <class T>
using Results =
    std::conditional_t<std::is_same_v<T, bool>, std::deque<bool>, std::vector<Unvoid<T>>>;

template <class T>
class RangeChild final : public Completion {
 public:
  explicit RangeChild(Pump& owner, PromiseBase* (*report)(Pump&, PromiseBase&),
                      OwnedFrame<T> frame) noexcept
      : report_(report), frame(std::move(frame)) {
    outer = ParentLink(owner);
  }
  PromiseBase* finished(PromiseBase& child) noexcept override { return report_(owner(), child); }
  [[nodiscard]] PromiseBase* waiting_frame() const noexcept override {
    return owner().waiting_frame();
  }

 private:
  [[nodiscard]] Pump& owner() const noexcept { return static_cast<Pump&>(*outer.completion()); }
  PromiseBase* (*report_)(Pump&, PromiseBase&);

 public:
  OwnedFrame<T> frame;
  std::optional<Unvoid<T>> value;
};

struct NoSink {};

// One child per element of `View`. With a sink, each value goes there as it comes; without, they
// are kept for the end.
template <class View, class F, class T, class Sink>
class RangeAwaiter final : public Pump {
 public:
  RangeAwaiter(View view, F function, Sink sink, GatherOptions options)
      : Pump(options.limit),
        view_(std::move(view)),
        function_(std::move(function)),
        sink_(std::move(sink)) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    next_.emplace(std::ranges::begin(view_));
    open(parent.promise());
    pump();
    return close();
  }
  auto await_resume() {
    finish();
    if constexpr (!std::is_void_v<T> && std::is_same_v<Sink, NoSink>) {
      Results<T> results;
      if constexpr (!std::is_same_v<T, bool>) results.reserve(children_.size());
      for (auto& child : children_) results.push_back(std::move(*child.value));
      return results;
    }
  }

 private:
  bool exhausted() override { return *next_ == std::ranges::end(view_); }

  void start_next() override {
    RangeChild<T>& child = children_.emplace_back(*this, &report, make_frame());
    ++*next_;
    launch(child.frame.promise(), child);
  }
  OwnedFrame<T> make_frame() {
    auto task = std::invoke(function_, **next_);
    return take_frame(task);
  }
  static PromiseBase* report(Pump& self, PromiseBase& child) {
    return static_cast<RangeAwaiter&>(self).child_finished(child);
  }

  void collect(PromiseBase& promise) noexcept override {
    auto& child = static_cast<RangeChild<T>&>(*promise.parent.completion());
    try {
      if constexpr (!std::is_same_v<Sink, NoSink>) {
        if constexpr (std::is_void_v<T>) {
          std::invoke(sink_);
        } else {
          std::invoke(sink_, child.frame.promise().take());
        }
      } else if constexpr (!std::is_void_v<T>) {
        child.value.emplace(child.frame.promise().take());
      }
    } catch (...) {  // the sink's error, or a throwing move: an error of the child
      fail(std::current_exception());
    }
    child.frame.destroy();  // early, so that a limited gather over many stays small
  }

  View view_;
  F function_;
  Sink sink_;
  std::optional<std::ranges::iterator_t<View>> next_;
  std::deque<RangeChild<T>> children_;
};

template <class View, class F, class T, class Sink>
class [[nodiscard("co_await it")]] OverRange {
 public:
  OverRange(View view, F function, Sink sink, GatherOptions options)
      : view_(std::move(view)),
        function_(std::move(function)),
        sink_(std::move(sink)),
        options_(options) {}
  RangeAwaiter<View, F, T, Sink> operator co_await() && {
    return {std::move(view_), std::move(function_), std::move(sink_), options_};
  }

 private:
  View view_;
  F function_;
  Sink sink_;
  GatherOptions options_;
};

template <class R, class F>
using range_await_t =
    await_result_t<std::invoke_result_t<std::decay_t<F>&, std::ranges::range_reference_t<R>>>;

}  // namespace detail

// A tuple of the results; std::monostate for Task<>.
template <Awaitable... A>
auto gather(A... tasks) {
  return detail::Gather<await_result_t<A>...>(detail::take_frame(tasks)...);
}

// `function(element)` gives a task for each element of `range`; a vector of the results, or nothing
// for Task<>. An lvalue range is referred to and must live until the await is over.
template <std::ranges::input_range R, class F>
auto gather(R&& range, F&& function, GatherOptions options = {}) {
  check_dialect<F>();
  return detail::OverRange<std::views::all_t<R>, std::decay_t<F>, detail::range_await_t<R, F>,
                           detail::NoSink>(std::views::all(std::forward<R>(range)),
                                           std::forward<F>(function), {}, options);
}

// As gather over a range, but each result goes to `sink(result)` as it arrives (`sink()` for
// Task<>). An error that the sink throws cancels the rest.
template <std::ranges::input_range R, class F, class Sink>
  requires(!std::is_same_v<std::decay_t<Sink>, GatherOptions>)
auto as_completed(R&& range, F&& function, Sink&& sink, GatherOptions options = {}) {
  check_dialect<F>();
  check_dialect<Sink>();
  return detail::OverRange<std::views::all_t<R>, std::decay_t<F>, detail::range_await_t<R, F>,
                           std::decay_t<Sink>>(std::views::all(std::forward<R>(range)),
                                               std::forward<F>(function), std::forward<Sink>(sink),
                                               options);
}

}  // namespace clearway
