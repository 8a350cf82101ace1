#pragma once

#include <clearway/base/error.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace clearway::http {

/// What an exchange was doing when it failed. Phases follow each other in this order.
enum class Phase {
  None,       ///< not part of an exchange (parsing a URL, building a header)
  Prepare,    ///< building the request; nothing has left the process
  Pool,       ///< waiting for a connection slot
  Resolve,    ///< asking the DNS
  Connect,    ///< opening the connection
  Handshake,  ///< agreeing on TLS
  Write,      ///< sending the request
  Head,       ///< reading the status line and headers
  Body        ///< reading the body
};

/// How much of a request had been handed to the kernel when it failed. A caller decides with it
/// whether repeating a request that is not idempotent is safe: `Nothing` always is.
enum class Sent { Nothing, Partly, Whole };

/// "connect", "head", ... for messages and logs.
constexpr std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::None:
      return "none";
    case Phase::Prepare:
      return "prepare";
    case Phase::Pool:
      return "pool";
    case Phase::Resolve:
      return "resolve";
    case Phase::Connect:
      return "connect";
    case Phase::Handshake:
      return "handshake";
    case Phase::Write:
      return "write";
    case Phase::Head:
      return "head";
    case Phase::Body:
      return "body";
  }
  return "none";
}

/// "nothing", "partly" or "whole".
constexpr std::string_view to_string(Sent sent) {
  switch (sent) {
    case Sent::Nothing:
      return "nothing";
    case Sent::Partly:
      return "partly";
    case Sent::Whole:
      return "whole";
  }
  return "nothing";
}

/// The root of everything that HTTP throws. `Cancelled` is not one of them.
class Error : public clearway::Error {
 public:
  explicit Error(std::string message, Phase phase = Phase::None, Sent sent = Sent::Nothing)
      : clearway::Error(std::move(message)), phase_(phase), sent_(sent) {}

  Phase phase() const noexcept { return phase_; }
  Sent request_sent() const noexcept { return sent_; }

  /// Lower layers (parser, decoder) do not know the exchange: whoever does sets it and rethrows.
  void set_exchange(Phase phase, Sent sent) noexcept {
    phase_ = phase;
    sent_ = sent;
  }

 private:
  Phase phase_;
  Sent sent_;
};

/// The peer sent something that is not HTTP/1.1, or that two parsers might read differently.
class ProtocolError : public Error {
 public:
  ProtocolError(std::string message, int status = 400, std::size_t line = 0, std::size_t offset = 0)
      : Error(std::move(message), Phase::Head), status_(status), line_(line), offset_(offset) {}

  /// What a server answers with: 400, 414, 417, 431, 501 or 505.
  int status() const noexcept { return status_; }
  /// The line of the head, from 1; 0 when the fault is in the body.
  std::size_t line() const noexcept { return line_; }
  /// The byte, from the first byte of the head (or of the coded body), from 0.
  std::size_t offset() const noexcept { return offset_; }

 private:
  int status_;
  std::size_t line_;
  std::size_t offset_;
};

/// A header, method, target or reason that must not be sent: it names the offending byte.
class HeaderError : public Error {
 public:
  explicit HeaderError(std::string message) : Error(std::move(message), Phase::Prepare) {}
};

/// A text is not a URL that can be requested; `column` (from 1) is where reading it stopped.
class UrlError : public Error {
 public:
  UrlError(std::string message, std::size_t column)
      : Error(std::move(message), Phase::Prepare), column_(column) {}
  std::size_t column() const noexcept { return column_; }

 private:
  std::size_t column_;
};

/// A limit of ours stopped a body: its size, or what decompressing it would have made.
class TooLarge : public Error {
 public:
  explicit TooLarge(std::string message) : Error(std::move(message), Phase::Body) {}
};

/// A body's coding (gzip, deflate) is damaged, cut short or unknown.
class DecodeError : public Error {
 public:
  explicit DecodeError(std::string message) : Error(std::move(message), Phase::Body) {}
};

/// The connection ended before the message did: "body cut short: got 10 of 100 bytes".
class Truncated : public Error {
 public:
  explicit Truncated(std::string message) : Error(std::move(message), Phase::Body) {}
};

/// The answer arrived whole, and its status says no.
class StatusError : public Error {
 public:
  /// `excerpt`: the body's beginning, for a person to read; it is cleaned of control bytes and
  /// cut to 200 bytes in the message, and kept as it is for `excerpt()`.
  StatusError(int status, std::string url, std::string excerpt);

  int status() const noexcept { return status_; }
  const std::string& url() const noexcept { return url_; }
  const std::string& excerpt() const noexcept { return excerpt_; }

 private:
  int status_;
  std::string url_;
  std::string excerpt_;
};

}  // namespace clearway::http
