#include <clearway/http/deadline.hpp>
#include <clearway/http/exchange.hpp>
#include <clearway/http/redirect.hpp>
#include <clearway/net/error.hpp>
#include <clearway/tls/error.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace clearway::http::detail {

namespace {

constexpr std::uint64_t drained = 64 * 1024;  // of a redirect's body, to keep the connection
constexpr int most_interim = 16;              // 1xx answers before the real one
constexpr std::uint64_t excerpt_size = 4096;

}  // namespace

Exchange::~Exchange() {
  if (!lease_ || finished_ || !keep_) return;
  while (!decoder.done()) {
    const BodyPiece piece = decoder.decode(stream().buffered());
    if (piece.state == BodyState::Failed || piece.consumed == 0) return;
    stream().consume(piece.consumed);
  }
  finish_body();
}

// The head

Task<> Exchange::receive_head() {
  phase_ = Phase::Head;
  interim_ = 0;
  ResponseParser parser(core->options.limits);
  const Duration patience = core->options.timeouts.read;
  for (;;) {
    while (!stream().buffered().empty()) {
      const ParseResult result = parser.feed(stream().buffered(), head);
      if (result.state == ParseState::Failed) throw parser.failure().to_error("response");
      if (result.state == ParseState::NeedMore) break;
      stream().consume(result.consumed);
      if (accept_head()) co_return;
    }
    const Instant until = limit(patience);
    std::size_t count = 0;
    try {
      count = co_await by(until, stream().fill());
    } catch (const TimedOut&) {
      const std::size_t there = stream().buffered().size();
      timed_out(there == 0 ? "no answer|read" : "only a part of the answer's head|read", patience);
    }
    if (count > 0) continue;
    const std::size_t there = stream().buffered().size();
    if (there == 0) throw EndOfStream("the server closed the connection and did not answer", 0);
    throw Truncated(fmt::format("the answer's head was cut short after {} bytes", there));
  }
}

// False for an interim answer (RFC 9110 section 15.2): the real one follows.
bool Exchange::accept_head() {
  if (head.status() == 101) {
    throw ProtocolError("the server switches to a protocol that nobody asked for (status 101)");
  }
  if (head.interim()) {
    if (++interim_ > most_interim) {
      throw ProtocolError(fmt::format("more than {} interim answers (1xx)", most_interim));
    }
    return false;
  }
  begin_body();
  return true;
}

void Exchange::begin_body() {
  const auto connection = parts.headers.get("Connection");
  const bool whole = sent_ == Sent::Whole;  // otherwise the server still waits for the rest
  keep_ = whole && head.keep_alive(method_) && !(connection && has_token(*connection, "close"));
  decoder = BodyDecoder(head, method_, core->options.limits);
  finished_ = false;
  raw_ = {};
  decompressor_.reset();
  phase_ = Phase::Body;
  if (decoder.done()) finish_body();
}

// Redirects

bool Exchange::redirected() const {
  return parts.follow_redirects && core->options.max_redirects > 0 && is_redirect(head.status()) &&
         head.headers().contains("Location");
}

Task<> Exchange::follow_redirect() {
  phase_ = Phase::Head;
  const std::string location(*head.headers().get("Location"));
  Redirect next = plan_redirect(head.status(), parts.method, *url, location);
  const std::string step = fmt::format("{} {}", parts.method, url->without_secrets());
  const bool seen = std::find(visited_.begin(), visited_.end(), step) != visited_.end();
  visited_.push_back(step);
  if (++redirects_ > core->options.max_redirects) {
    throw RedirectError(fmt::format("{} after {} redirects, the next one to {}",
                                    seen ? "a loop of redirects, given up" : "given up",
                                    core->options.max_redirects, next.url.without_secrets()));
  }
  if (!next.becomes_get && source_used_) {
    throw RedirectError(fmt::format("redirected to {}, and the streamed body cannot be sent again",
                                    next.url.without_secrets()));
  }
  if (!finished_ && decoder.remaining().value_or(drained) <= drained) {
    try {
      std::string ignored = co_await read_all(drained);
    } catch (const Error&) {
      lease_.close();  // what a redirect says beside its Location does not matter
    }
  }
  lease_.close();
  if (next.becomes_get) {
    parts.method = "GET";
    method_ = Method::Get;
    parts.body.clear();
    parts.has_body = false;
    parts.source = {};
    strip_content_fields(parts.headers);
  }
  if (next.leaves_origin) {
    strip_credentials(parts.headers);
    parts.headers.remove("Host");
  }
  url = std::move(next.url);
}

// The body

BodyState Exchange::decode(std::string_view& data) {
  for (;;) {
    if (decoder.done()) return BodyState::End;
    const std::string_view there = stream().buffered();
    if (there.empty()) return BodyState::NeedMore;
    const BodyPiece piece = decoder.decode(there);
    if (piece.state == BodyState::Failed) throw decoder.error("response body");
    stream().consume(piece.consumed);
    data = piece.data;
    if (piece.state != BodyState::NeedMore) return piece.state;
  }
}

// Appends to `out` what can be had without waiting, one step of it.
Exchange::Progress Exchange::advance(std::string& out) {
  if (finished_) return Progress::end;
  const bool coded = core->options.decompress && head.headers().contains("Content-Encoding");
  if (coded && !decompressor_) {
    const Coding coding = parse_content_encoding(*head.headers().get("Content-Encoding"));
    decompressor_.emplace(coding, DecodeLimits{.output = core->options.max_decompressed});
  }
  if (decompressor_ && (!raw_.empty() || decompressor_->pending())) {
    raw_.remove_prefix(decompressor_->decode(raw_, out));
    return Progress::some;
  }
  std::string_view data;
  switch (decode(data)) {
    case BodyState::Data:
      if (decompressor_) {
        raw_ = data;
      } else {
        out.append(data);
        if (decoder.done()) finish_body();
      }
      return Progress::some;
    case BodyState::End:
      if (decompressor_ && decompressor_->input_bytes() > 0) decompressor_->finish();
      finish_body();
      return Progress::end;
    default:
      return Progress::starved;
  }
}

// The connection goes back, unless the server said more than its answer.
void Exchange::finish_body() noexcept {
  finished_ = true;
  if (keep_ && stream().buffered().empty() && !stream().ended()) {
    lease_.give_back();
  } else {
    lease_.close();
  }
}

Task<> Exchange::fill_body() {
  const Duration patience = core->options.timeouts.read;
  const Instant until = limit(patience);
  std::size_t count = 0;
  try {
    count = co_await by(until, stream().fill());
  } catch (const TimedOut&) {
    timed_out(
        fmt::format("nothing more of the body, {} bytes of it had come|read", decoder.received()),
        patience);
  } catch (const TlsError& error) {
    // Whether a body with a length, or in chunks, is all there, its framing knows.
    if (error.reason() != TlsReason::truncated || decoder.kind() == BodyKind::UntilClose) throw;
  }
  if (count == 0) decoder.end_of_input();
}

Task<std::optional<std::string>> Exchange::read() {
  std::string out;
  try {
    for (;;) {
      const Progress progress = advance(out);
      if (!out.empty()) co_return std::move(out);
      if (progress == Progress::end) co_return std::nullopt;
      if (progress == Progress::starved) co_await fill_body();
    }
  } catch (const clearway::Error& error) {
    lease_.close();
    finished_ = true;
    fail(error);
  }
}

Task<std::string> Exchange::read_all(std::uint64_t most) {
  std::string out;
  try {
    const std::uint64_t announced = decoder.remaining().value_or(0);
    if (announced > most && !decompressor_) {
      throw TooLarge(
          fmt::format("the body has {} bytes, and at most {} are read at once "
                      "(SessionOptions::max_body); read() takes it piece by piece",
                      announced, most));
    }
    out.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(announced, 1 << 20)));
    for (;;) {
      const Progress progress = advance(out);
      if (out.size() > most) {
        throw TooLarge(
            fmt::format("the body has more than {} bytes (SessionOptions::max_body); "
                        "read() takes it piece by piece",
                        most));
      }
      if (progress == Progress::end) co_return std::move(out);
      if (progress == Progress::starved) co_await fill_body();
    }
  } catch (const clearway::Error& error) {
    lease_.close();
    finished_ = true;
    fail(error);
  }
}

Task<std::string> Exchange::read_excerpt() {
  std::string out;
  try {
    while (out.size() < excerpt_size) {
      const Progress progress = advance(out);
      if (progress == Progress::end) break;
      if (progress == Progress::starved) co_await fill_body();
    }
  } catch (const clearway::Error&) {
    lease_.close();  // the status is the error to report, not what its page did
    finished_ = true;
  }
  if (out.size() > excerpt_size) out.resize(excerpt_size);
  co_return std::move(out);
}

}  // namespace clearway::http::detail
