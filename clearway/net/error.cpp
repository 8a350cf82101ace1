#include <clearway/net/error.hpp>

#include <utility>

#include <fmt/format.h>
#include <clearway/loop/descriptor_limit.hpp>

namespace clearway {

std::string_view to_string(NetPhase phase) noexcept {
  switch (phase) {
    case NetPhase::resolve:
      return "resolve";
    case NetPhase::connect:
      return "connect";
    case NetPhase::handshake:
      return "handshake";
    case NetPhase::listen:
      return "listen";
    case NetPhase::accept:
      return "accept";
    case NetPhase::read:
      return "read";
    case NetPhase::write:
      return "write";
  }
  return "";
}

NetError::NetError(NetPhase phase, const std::string& message, int code)
    : Error(message), phase_(phase), code_(code) {}
NetError::~NetError() = default;

NetError NetError::from_code(NetPhase phase, std::string_view what, int code) {
  return {phase, fmt::format("{}: {}{}", what, system_message(code), descriptor_limit_hint(code)),
          code};
}

ResolveError::ResolveError(std::string host, Reason reason, const std::string& message)
    : NetError(NetPhase::resolve, message), host_(std::move(host)), reason_(reason) {}
ResolveError::~ResolveError() = default;

ConnectError::ConnectError(const std::string& message, int code)
    : NetError(NetPhase::connect, message, code) {}
ConnectError::~ConnectError() = default;

EndOfStream::EndOfStream(const std::string& message, std::size_t received)
    : NetError(NetPhase::read, message), received_(received) {}
EndOfStream::~EndOfStream() = default;

FileCutShort::FileCutShort(const std::string& message, std::uint64_t sent)
    : NetError(NetPhase::write, message), sent_(sent) {}
FileCutShort::~FileCutShort() = default;

LimitExceeded::LimitExceeded(const std::string& message) : NetError(NetPhase::read, message) {}
LimitExceeded::~LimitExceeded() = default;

}  // namespace clearway
