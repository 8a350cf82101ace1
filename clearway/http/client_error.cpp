#include <clearway/http/client_error.hpp>

#include <fmt/format.h>
#include <clearway/net/error.hpp>

namespace clearway::http::detail {

namespace {

std::string_view sent_text(Sent sent) noexcept {
  switch (sent) {
    case Sent::Nothing:
      return "nothing was sent";
    case Sent::Partly:
      return "the request was sent in part";
    case Sent::Whole:
      return "the request was sent";
  }
  return "";
}

template <class E>
const E* as(const clearway::Error& error) noexcept {
  return dynamic_cast<const E*>(&error);
}

template <class E>
[[noreturn]] void throw_plain(const std::string& message, Phase phase, Sent sent) {
  E made(message);
  made.set_exchange(phase, sent);
  throw made;
}

}  // namespace

void throw_with_context(const clearway::Error& error, const ErrorContext& context) {
  Phase phase = context.phase;
  if (const auto* net = as<NetError>(error); net != nullptr && net->phase() == NetPhase::resolve) {
    phase = Phase::Resolve;
  }
  std::string reason = error.what();
  for (char& byte : reason) {
    if (byte == '\n' || byte == '\r') byte = ' ';
  }
  const std::string message =
      fmt::format("{} {}: {} ({} phase, after {:.3g} s, {})", context.method, context.url, reason,
                  to_string(phase), context.seconds, sent_text(context.sent));
  const Sent sent = context.sent;
  if (const auto* tls = as<TlsError>(error)) {
    throw ConnectionError(message, phase, sent, tls->code(), tls->reason());
  }
  if (const auto* net = as<NetError>(error)) {
    throw ConnectionError(message, phase, sent, net->code());
  }
  if (const auto* protocol = as<ProtocolError>(error)) {
    ProtocolError made(message, protocol->status(), protocol->line(), protocol->offset());
    made.set_exchange(phase, sent);
    throw made;
  }
  if (const auto* url = as<UrlError>(error)) throw UrlError(message, url->column());
  if (as<TimeoutError>(error) != nullptr || as<TimedOut>(error) != nullptr) {
    throw TimeoutError(message, phase, sent);
  }
  if (as<RedirectError>(error) != nullptr) throw RedirectError(message, phase, sent);
  if (as<HeaderError>(error) != nullptr) throw_plain<HeaderError>(message, phase, sent);
  if (as<TooLarge>(error) != nullptr) throw_plain<TooLarge>(message, phase, sent);
  if (as<DecodeError>(error) != nullptr) throw_plain<DecodeError>(message, phase, sent);
  if (as<Truncated>(error) != nullptr) throw_plain<Truncated>(message, phase, sent);
  throw Error(message, phase, sent);
}

}  // namespace clearway::http::detail
