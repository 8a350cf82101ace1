#pragma once

#include <clearway/http/error.hpp>
#include <clearway/tls/error.hpp>

#include <optional>

namespace clearway::http {

/// The host is unknown, refuses or resets the connection, or closes it before it has answered.
class ConnectionError : public Error {
 public:
  /// `code`: the errno value, or 0.
  ConnectionError(std::string message, Phase phase, Sent sent, int code,
                  std::optional<TlsReason> tls = std::nullopt)
      : Error(std::move(message), phase, sent), code_(code), tls_(tls) {}
  int code() const noexcept { return code_; }
  /// What TLS had against it, such as an expired certificate; nullopt when it was not that.
  std::optional<TlsReason> tls_reason() const noexcept { return tls_; }

 private:
  int code_;
  std::optional<TlsReason> tls_;
};

/// One of `ClientTimeouts` has passed; `phase()` says what the request was doing.
class TimeoutError : public Error {
 public:
  using Error::Error;
};

/// A redirect that must not or cannot be followed.
class RedirectError : public Error {
 public:
  explicit RedirectError(std::string message, Phase phase = Phase::Head, Sent sent = Sent::Whole)
      : Error(std::move(message), phase, sent) {}
};

namespace detail {

/// Where an exchange stands, for its errors.
struct ErrorContext {
  std::string_view method;
  std::string_view url;
  Phase phase = Phase::None;
  Sent sent = Sent::Nothing;
  double seconds = 0;
};

/// Throws `error` again as one of http's errors, with all of the context in its one line.
[[noreturn]] void throw_with_context(const clearway::Error& error, const ErrorContext& context);

}  // namespace detail
}  // namespace clearway::http
