#pragma once

// Task-local values: set for a task and everything it starts, found from anywhere inside it.
//
//   inline const TaskLocal<std::string> request_id("request id");
//   co_await with_value(request_id, std::string("7f3a"), handle(request));
//   if (const std::string* id = request_id.get()) ...

#include <optional>

#include <clearway/task/timeout.hpp>

namespace clearway {

// A scope in which a value is set.
class LocalScope final : public CancelScope {
 public:
  LocalScope() noexcept : CancelScope(Kind::local) {}
  const void* key = nullptr;
  const void* value = nullptr;
};

// The value that is nearest to the running task; null outside tasks and where none is set.
const void* find_local(const void* key) noexcept;

// A key; give it static storage.
template <class T>
class TaskLocal {
 public:
  constexpr explicit TaskLocal(const char* name) noexcept : name_(name) {}
  TaskLocal(const TaskLocal&) = delete;
  TaskLocal& operator=(const TaskLocal&) = delete;
  ~TaskLocal() = default;

  [[nodiscard]] const T* get() const noexcept { return static_cast<const T*>(find_local(this)); }
  [[nodiscard]] const char* name() const noexcept { return name_; }

 private:
  const char* name_;
};

namespace detail {

template <class T, class V>
class LocalAwaiter final : public ScopedAwaiter<T, LocalScope> {
 public:
  LocalAwaiter(OwnedFrame<T> frame, const void* key, V value)
      : ScopedAwaiter<T, LocalScope>(std::move(frame)), value_(std::move(value)) {
    this->scope_.key = key;
    this->scope_.value = &value_;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    this->scope_.enter(parent.promise().scope);
    return this->start(parent.promise());
  }
  T await_resume() {
    this->scope_.leave();
    return this->frame_.promise().take();
  }

 private:
  V value_;
};

template <class T, class V>
class [[nodiscard("co_await it")]] WithValue {
 public:
  WithValue(OwnedFrame<T> frame, const void* key, V value)
      : frame_(std::move(frame)), key_(key), value_(std::move(value)) {}
  LocalAwaiter<T, V> operator co_await() && {
    return LocalAwaiter<T, V>(std::move(frame_), key_, std::move(value_));
  }

 private:
  OwnedFrame<T> frame_;
  const void* key_;
  V value_;
};

}  // namespace detail

// Awaits `task` with `local` set to `value` inside it.
template <class V, Awaitable A>
auto with_value(const TaskLocal<V>& local, std::type_identity_t<V> value, A task) {
  return detail::WithValue<await_result_t<A>, V>(detail::take_frame(task), &local,
                                                 std::move(value));
}

}  // namespace clearway
