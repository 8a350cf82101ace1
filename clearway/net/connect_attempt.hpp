#pragma once

#include <string>

#include <clearway/net/connect.hpp>

namespace clearway::detail {

// The outcome of trying one address: a stream, or why not.
struct ConnectAttempt {
  ConnectAttempt() = default;
  Stream stream;
  int code = 0;        // 0, or an errno value; ETIMEDOUT when the deadline passed
  Duration allowed{};  // how long there was
};

// Opens a socket and connects it. Fails only through the outcome's code.
Task<ConnectAttempt> attempt_connect(Address target, Instant deadline, ConnectOptions options);

// Why an attempt failed, for people.
std::string connect_failure(int code, Duration allowed);

}  // namespace clearway::detail
