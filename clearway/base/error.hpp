#pragma once

// The root of Clearway's errors. Every module derives its own tree from `Error`.

#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace clearway {

// What failed, on what, why, and what to do: the whole sentence is in what(). When several
// concurrent tasks failed, the first error is the one thrown and the others are attached to it.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message);
  Error(const Error&) = default;
  Error& operator=(const Error&) = default;
  ~Error() override;

  // Errors of siblings that failed after this one, in the order in which they ended.
  [[nodiscard]] const std::vector<std::exception_ptr>& attached() const noexcept {
    return attached_;
  }
  void attach(std::exception_ptr other) { attached_.push_back(std::move(other)); }

 private:
  std::vector<std::exception_ptr> attached_;
};

// A system call failed. what() reads "cannot listen on 127.0.0.1:80: Permission denied".
class SystemError : public Error {
 public:
  // `what` says what was tried and on what; `code` is the errno value (positive).
  SystemError(std::string_view what, int code);
  ~SystemError() override;
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

// The API was used against its contract: a program's bug, named.
class UsageError : public Error {
 public:
  using Error::Error;
  ~UsageError() override;
};

// A deadline passed before the work was done.
class TimedOut : public Error {
 public:
  using Error::Error;
  ~TimedOut() override;
};

// The text of any exception: what() for std::exception, a description otherwise.
std::string describe(const std::exception_ptr& error);

// The operating system's text for an errno value.
std::string system_message(int code);

}  // namespace clearway
