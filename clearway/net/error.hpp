#pragma once

// Errors of connections and names. Each says what was tried, on which peer, and why it failed.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <clearway/base/error.hpp>

namespace clearway {

// What a connection was doing.
enum class NetPhase { resolve, connect, handshake, listen, accept, read, write };

// "resolve", "connect", …
std::string_view to_string(NetPhase phase) noexcept;

// The root of net's errors.
class NetError : public Error {
 public:
  NetError(NetPhase phase, const std::string& message, int code = 0);
  // "`what`: text of the errno value `code`", with the limit's name when it is one of descriptors.
  static NetError from_code(NetPhase phase, std::string_view what, int code);
  ~NetError() override;

  [[nodiscard]] NetPhase phase() const noexcept { return phase_; }
  // The errno value (ECONNREFUSED, ECONNRESET, …), or 0 when no system call failed.
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  NetPhase phase_;
  int code_;
};

// A host's name has no address.
class ResolveError : public NetError {
 public:
  enum class Reason {
    unknown_host,  // the name does not exist
    no_address,    // it exists and has neither an IPv4 nor an IPv6 address
    no_answer,     // no DNS server answered in time
    failed,        // a DNS server answered with an error
  };
  ResolveError(std::string host, Reason reason, const std::string& message);
  ~ResolveError() override;
  [[nodiscard]] const std::string& host() const noexcept { return host_; }
  [[nodiscard]] Reason reason() const noexcept { return reason_; }

 private:
  std::string host_;
  Reason reason_;
};

// No connection came about: refused, unreachable, or no answer within the time (code ETIMEDOUT).
class ConnectError : public NetError {
 public:
  ConnectError(const std::string& message, int code);
  ~ConnectError() override;
};

// The peer ended the stream before what was asked for had come.
class EndOfStream : public NetError {
 public:
  EndOfStream(const std::string& message, std::size_t received);
  ~EndOfStream() override;
  // How many bytes of it came; they are still in the stream's buffer.
  [[nodiscard]] std::size_t received() const noexcept { return received_; }

 private:
  std::size_t received_;
};

// A file that is being sent has fewer bytes than were promised: it was cut meanwhile.
class FileCutShort : public NetError {
 public:
  FileCutShort(const std::string& message, std::uint64_t sent);
  ~FileCutShort() override;
  // How many bytes of it were sent.
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }

 private:
  std::uint64_t sent_;
};

// More came than the caller allowed.
class LimitExceeded : public NetError {
 public:
  explicit LimitExceeded(const std::string& message);
  ~LimitExceeded() override;
};

}  // namespace clearway
