#pragma once

#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <clearway/base/error.hpp>

namespace clearway {

// A value, or the error that stands in its place: what as_result() gives. Never a cancellation.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}  // NOLINT
  Result(std::exception_ptr error)
      : content_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool has_value() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  // The value; throws the error when there is none.
  T& value() & {
    require();
    return std::get<0>(content_);
  }
  T&& value() && {
    require();
    return std::get<0>(std::move(content_));
  }
  const T& value() const& {
    require();
    return std::get<0>(content_);
  }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  template <class U>
  T value_or(U&& other) && {
    return has_value() ? std::move(std::get<0>(content_)) : T(std::forward<U>(other));
  }

  // Null when there is a value.
  [[nodiscard]] std::exception_ptr error() const noexcept {
    return has_value() ? nullptr : std::get<1>(content_);
  }
  // The error's text, "" when there is a value.
  [[nodiscard]] std::string message() const { return has_value() ? "" : describe(error()); }

 private:
  void require() const {
    if (!has_value()) std::rethrow_exception(std::get<1>(content_));
  }

  std::variant<T, std::exception_ptr> content_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() noexcept = default;
  Result(std::exception_ptr error) noexcept : error_(std::move(error)) {}  // NOLINT

  [[nodiscard]] bool has_value() const noexcept { return error_ == nullptr; }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }
  [[nodiscard]] std::exception_ptr error() const noexcept { return error_; }
  [[nodiscard]] std::string message() const { return has_value() ? "" : describe(error_); }

 private:
  std::exception_ptr error_;
};

}  // namespace clearway
