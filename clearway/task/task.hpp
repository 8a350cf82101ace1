#pragma once

// Task<T>: a coroutine that has not started. It is awaited in the expression that makes it, or
// handed to a combinator; it cannot be moved, stored or forgotten, so its arguments outlive it.
//
//   Task<int> twice(int number) { co_await sleep(1s); co_return 2 * number; }
//   int six = co_await twice(3);
//
// Parameters of a coroutine are values or non-const references: a const T&, T&&, string_view or
// span may refer to a temporary that is gone when the task runs.

#include <concepts>
#include <coroutine>
#include <memory>
#include <type_traits>
#include <utility>

#include <clearway/task/promise.hpp>

namespace clearway {

template <class T>
class Task;

namespace detail {

// Where a frame puts its result.
template <class T>
class ResultSlot : public PromiseBase {
  static_assert(alignof(T) <= 16, "results are aligned to at most 16 bytes");

 public:
  ResultSlot() noexcept {}
  ~ResultSlot() {
    if (has_value_) std::destroy_at(std::addressof(value_));
  }

  template <class U = T>
    requires std::convertible_to<U&&, T>
  void return_value(U&& value) {
    std::construct_at(std::addressof(value_), std::forward<U>(value));
    has_value_ = true;
  }

  [[nodiscard]] T& value() noexcept { return value_; }

  // The value, moved out, or the error, thrown.
  T take() {
    if (error != nullptr) std::rethrow_exception(error);
    return std::move(value_);
  }

 private:
  union {
    T value_;
  };
  bool has_value_ = false;
};

template <class T>
class ResultSlot<T&> : public PromiseBase {
 public:
  void return_value(T& value) noexcept { value_ = &value; }
  [[nodiscard]] T& value() noexcept { return *value_; }
  T& take() {
    if (error != nullptr) std::rethrow_exception(error);
    return *value_;
  }

 private:
  T* value_ = nullptr;
};

template <>
class ResultSlot<void> : public PromiseBase {
 public:
  void return_void() const noexcept {}
  void take() {
    if (error != nullptr) std::rethrow_exception(error);
  }
};

// Something with operator co_await that makes its awaiter: sleep(1s), queue.get(), gather(...).
template <class D>
concept Description =
    requires(D&& description) { std::forward<D>(description).operator co_await(); };

template <class T>
struct TaskAwaiter;

template <class T>
class Promise final : public ResultSlot<T> {
 public:
  Task<T> get_return_object(Site site = Site::current()) noexcept;

  template <class U>
  TaskAwaiter<U> await_transform(Task<U> task,
                                 SiteWord site = __builtin_source_location()) noexcept;

  template <Description D>
  auto await_transform(D&& description, SiteWord site = __builtin_source_location()) {
    this->awaiting = site_of(site);
    return std::forward<D>(description).operator co_await();
  }

  // Awaiters of other libraries, which know nothing of scopes.
  template <class A>
    requires requires(A& awaiter) { awaiter.await_ready(); }
  A&& await_transform(A&& awaiter, SiteWord site = __builtin_source_location()) noexcept {
    this->awaiting = site_of(site);
    return std::forward<A>(awaiter);
  }
};

}  // namespace detail

// Sole owner of a frame; movable, for combinators. Users see Task.
template <class T>
class OwnedFrame {
 public:
  OwnedFrame() noexcept = default;
  explicit OwnedFrame(std::coroutine_handle<detail::Promise<T>> handle) noexcept
      : handle_(handle) {}
  OwnedFrame(OwnedFrame&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  OwnedFrame& operator=(OwnedFrame&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~OwnedFrame() {
    if (handle_) handle_.destroy();
  }

  [[nodiscard]] detail::Promise<T>& promise() const noexcept { return handle_.promise(); }
  [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }
  void destroy() noexcept {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }

 private:
  std::coroutine_handle<detail::Promise<T>> handle_;
};

template <class T = void>
class [[nodiscard("a Task does nothing until it is awaited")]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using value_type = T;

  Task(const Task&) = delete;  // co_await it in the expression that makes it; gather() for more
  Task& operator=(const Task&) = delete;
  // Logs that nobody awaited it: once for each function, and not while an error unwinds the stack.
  ~Task() {
    if (frame_) [[unlikely]]
      detail::report_never_awaited(frame_.promise());
  }

  // For combinators: takes the frame out.
  OwnedFrame<T> release() noexcept { return std::move(frame_); }
  // Makes a Task of a frame that a combinator took out before.
  explicit Task(OwnedFrame<T> frame) noexcept : frame_(std::move(frame)) {}

 private:
  OwnedFrame<T> frame_;
};

namespace detail {

template <class T>
struct TaskAwaiter {
  explicit TaskAwaiter(OwnedFrame<T> frame) noexcept : frame(std::move(frame)) {}

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    PromiseBase& child = frame.promise();
    child.parent = ParentLink(parent.promise());
    child.scope = parent.promise().scope;
    return !start_inline(child);
  }
  T await_resume() { return frame.promise().take(); }

  OwnedFrame<T> frame;
};

template <class T>
Task<T> Promise<T>::get_return_object(Site site) noexcept {
  this->origin = site;
  const auto handle = std::coroutine_handle<Promise>::from_promise(*this);
  this->check_layout(handle);
  return Task<T>(OwnedFrame<T>(handle));
}

template <class T>
template <class U>
TaskAwaiter<U> Promise<T>::await_transform(Task<U> task, SiteWord site) noexcept {
  this->awaiting = site_of(site);
  return TaskAwaiter<U>(task.release());
}

// What awaiting an A gives.
template <class A>
struct AwaitResult;
template <class T>
struct AwaitResult<Task<T>> {
  using type = T;
};
template <Description D>
struct AwaitResult<D> {
  using type = decltype(std::declval<D>().operator co_await().await_resume());
};

}  // namespace detail

// What `co_await` of an A gives.
template <class A>
using await_result_t = typename detail::AwaitResult<std::remove_cvref_t<A>>::type;

// What combinators take: a task, or anything else that Clearway can await (sleep(1s), queue.get(),
// session.get(url)).
template <class A>
concept Awaitable = requires { typename await_result_t<A>; };

namespace detail {

#if defined(__GNUC__) && !defined(__clang__)
// g++ takes the frame of this template for a type of the header, and warns when a program gives it
// a lambda of an unnamed namespace.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif
template <class D>
Task<await_result_t<D>> await_in_frame(D description) {
  co_return co_await std::move(description);
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

}  // namespace detail

// The frame of a task; a description gets one that awaits it.
template <class T>
OwnedFrame<T> own(Task<T> task) noexcept {
  return task.release();
}
template <detail::Description D>
OwnedFrame<await_result_t<D>> own(D description) {
  return detail::await_in_frame<D>(std::move(description)).release();
}

}  // namespace clearway
