#include <clearway/http/characters.hpp>
#include <clearway/http/deadline.hpp>
#include <clearway/http/exchange.hpp>
#include <clearway/http/media.hpp>
#include <clearway/http/redirect.hpp>
#include <clearway/http/serialize.hpp>
#include <clearway/net/connect.hpp>
#include <clearway/net/error.hpp>
#include <clearway/task/race.hpp>
#include <clearway/tls/handshake.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace clearway::http::detail {

namespace {

constexpr std::size_t corked = 16 * 1024;       // bodies up to this go out with their head
constexpr std::size_t write_step = 256 * 1024;  // what the write timeout is for

bool takes_body(std::string_view method) noexcept {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

void write_default(std::string& out, const Headers& headers, std::string_view name,
                   std::string_view value) {
  if (headers.contains(name)) return;
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

Exchange::Exchange(std::shared_ptr<SessionCore> core, std::string_view method, std::string_view url)
    : core(std::move(core)) {
  parts.method = method;
  parts.url = url;
}

Instant Exchange::limit(Duration length) const {
  return std::min(deadline_, after(Loop::current().now(), length));
}

void Exchange::fail(const clearway::Error& error) const {
  ErrorContext context;
  const std::string shown = url ? url->without_secrets() : parts.url.substr(0, 200);
  context.method = parts.method;
  context.url = shown;
  context.phase = phase_;
  context.sent = sent_;
  context.seconds = std::chrono::duration<double>(Loop::current().now() - started_).count();
  throw_with_context(error, context);
}

void Exchange::timed_out(std::string_view what, Duration length) const {
  const bool all = Loop::current().now() >= deadline_;
  const Duration total = parts.total.value_or(core->options.timeouts.total);
  const double seconds = std::chrono::duration<double>(all ? total : length).count();
  throw TimeoutError(fmt::format("timed out: {} within the {} timeout of {:.3g} s",
                                 what.substr(0, what.find('|')),
                                 all ? "total" : what.substr(what.find('|') + 1), seconds));
}

// The request

void Exchange::prepare() {
  started_ = Loop::current().now();
  deadline_ = after(started_, parts.total.value_or(core->options.timeouts.total));
  method_ = parse_method(parts.method);
  url = core->base ? core->base->resolve(parts.url) : Url::parse(parts.url);
  if (!parts.query.empty()) url->append_query(parts.query);
  add_defaults();
}

void Exchange::add_defaults() {
  const bool own_origin = !core->base || core->base->same_origin(*url);
  for (const Header header : core->headers) parts.headers.add_if_absent(header.name, header.value);
  if (!own_origin && !core->headers.empty()) {
    for (const std::string_view name : {"Authorization", "Cookie", "Proxy-Authorization"}) {
      const auto standard = core->headers.get(name);
      if (standard && parts.headers.get(name) == standard) parts.headers.remove(name);
    }
  }
  if (!url->userinfo().empty()) {
    parts.headers.add_if_absent("Authorization", basic_auth(url->user(), url->password()));
  }
}

void Exchange::write_head(std::string& out) const {
  write_request_line(out, parts.method, url->target());
  const Headers& headers = parts.headers;
  write_default(out, headers, "Host", lease_.origin().authority);
  write_default(out, headers, "User-Agent", "clearway");
  write_default(out, headers, "Accept", "*/*");
  if (core->options.decompress) {
    write_default(out, headers, "Accept-Encoding", accept_encoding());
  }
  write_headers(out, headers);
  if (parts.source && !parts.source_length) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (parts.source) {
    write_content_length(out, *parts.source_length);
  } else if (parts.has_body || takes_body(parts.method)) {
    write_content_length(out, parts.body.size());
  }
  end_head(out);
}

Task<> Exchange::send() {
  try {
    prepare();
    for (;;) {
      if (url->scheme() != "http" && url->scheme() != "https") {
        throw Error(
            fmt::format("{} is not available: Clearway has no WebSocket yet, use an https:// or "
                        "http:// URL",
                        url->scheme()));
      }
      co_await exchange_once();
      const bool again = redirected();
      if (!again) break;
      co_await follow_redirect();
    }
  } catch (const clearway::Error& error) {
    lease_.close();
    fail(error);
  }
}

// One request to one server, and again on a new connection when a kept one turned out to be closed.
Task<> Exchange::exchange_once() {
  for (bool again = false;; again = true) {
    co_await take_connection(again);
    std::exception_ptr broken;
    try {
      co_await transmit();
    } catch (const NetError&) {
      broken = std::current_exception();
    }
    // A server may answer, and close, before it has taken the whole request.
    try {
      co_await receive_head();
      co_return;
    } catch (const TlsError&) {
      broken = std::current_exception();  // it says more than "broken pipe" does
    } catch (const NetError&) {
      if (broken == nullptr) broken = std::current_exception();
    }
    if (again || !may_retry()) std::rethrow_exception(broken);
    lease_.close();
  }
}

bool Exchange::may_retry() const {
  const bool nothing_came = stream().bytes_read() == read_before_;
  const bool harmless = is_idempotent(method_) || sent_ == Sent::Nothing;
  return lease_.reused() && nothing_came && harmless && !source_used_;
}

Task<> Exchange::take_connection(bool fresh) {
  phase_ = Phase::Pool;
  sent_ = Sent::Nothing;
  Pool& pool = core->pool;
  const Duration patience = core->options.timeouts.pool;
  const Instant until = limit(patience);
  try {
    lease_ = co_await by(until, pool.acquire(pool.origin(*url), fresh));
  } catch (const TimedOut&) {
    timed_out(fmt::format("none of the session's {} connections became free (an answer that is not "
                          "read to its end keeps its connection)|pool",
                          core->options.limit),
              patience);
  }
  if (!lease_.connected()) co_await open_connection();
  written_before_ = stream().bytes_written();
  read_before_ = stream().bytes_read();
}

Task<> Exchange::open_connection() {
  phase_ = Phase::Connect;
  const Instant now = Loop::current().now();
  const Duration patience = core->options.timeouts.connect;
  const Instant until = std::min(deadline_, after(now, patience));
  ConnectOptions options;
  options.timeout = until == never ? Duration::max() : until - now;
  try {
    Stream made = co_await connect(lease_.origin().host, lease_.origin().port, options);
    if (url->secure()) {
      Stream secured = co_await secure(std::move(made), until);
      lease_.connect(std::move(secured));
    } else {
      lease_.connect(std::move(made));
    }
  } catch (const NetError& error) {
    const auto* resolve = dynamic_cast<const ResolveError*>(&error);
    if (resolve != nullptr) phase_ = Phase::Resolve;
    const bool late = Loop::current().now() >= until;
    if (!late) throw;
    timed_out(fmt::format("no connection ({})|connect", error.what()), patience);
  }
}

Task<Stream> Exchange::secure(Stream stream, Instant until) {
  phase_ = Phase::Handshake;
  if (!core->tls) core->tls = TlsClientContext::standard();
  try {
    co_return co_await by(until,
                          start_tls_client(std::move(stream), lease_.origin().host, *core->tls));
  } catch (const TimedOut&) {
    timed_out("no TLS handshake|connect", core->options.timeouts.connect);
  }
}

void Exchange::note_sent() noexcept {
  if (sent_ == Sent::Nothing && stream().bytes_written() != written_before_) sent_ = Sent::Partly;
}

Task<> Exchange::transmit() {
  phase_ = Phase::Write;
  std::string& out = lease_.connection().out;
  out.clear();
  write_head(out);
  const bool together = !parts.source && parts.body.size() <= corked;
  listening_ = !together;
  answered_ = false;
  if (together) out.append(parts.body);
  unsent_ = out;
  co_await transmit_unsent();
  if (parts.source) {
    co_await transmit_source();
  } else if (!together) {
    unsent_ = parts.body;
    co_await transmit_unsent();
  }
  if (!answered_) sent_ = Sent::Whole;
}

// Sends the next piece of unsent_, and listens meanwhile: a server that refuses a large body says
// so before it has read it, and may then read no more (RFC 9112 section 9.5).
Task<> Exchange::transmit_piece() {
  const std::string_view piece = unsent_.substr(0, write_step);
  if (!listening_) {
    co_await stream().write_view(piece);
    unsent_.remove_prefix(piece.size());
    co_return;
  }
  const std::uint64_t before = stream().bytes_written();
  const auto [heard, sent] = co_await race(stream().wait_readable(), stream().write_view(piece));
  unsent_.remove_prefix(static_cast<std::size_t>(stream().bytes_written() - before));
  if (!heard) co_return;
  const std::size_t count = co_await stream().fill();
  constexpr std::size_t status_at = std::string_view("HTTP/1.1 ").size();
  const std::string_view there = stream().buffered();
  if (count > 0 && there.size() <= status_at) co_return;
  // After an interim answer the body is still wanted, and nobody listens any more.
  listening_ = false;
  answered_ = count == 0 || there[status_at] != '1';
}

Task<> Exchange::transmit_unsent() {
  const Duration patience = core->options.timeouts.write;
  while (!unsent_.empty() && !answered_) {
    const Instant until = limit(patience);
    try {
      co_await by(until, transmit_piece());
    } catch (const TimedOut&) {
      note_sent();
      timed_out("the server does not take the request|write", patience);
    } catch (const NetError&) {
      note_sent();
      throw;
    }
    note_sent();
  }
}

// The pieces of a streamed body, each in a chunk of its own unless the length was given.
Task<> Exchange::transmit_source() {
  source_used_ = true;
  std::string& out = lease_.connection().out;
  std::uint64_t total = 0;
  for (;;) {
    std::optional<std::string> piece;
    try {
      piece = co_await by(deadline_, parts.source());
    } catch (const TimedOut&) {
      timed_out("the request's body was not there|total", Duration::zero());
    }
    if (!piece) break;
    total += piece->size();
    if (parts.source_length && total > *parts.source_length) break;
    out.clear();
    if (parts.source_length) {
      unsent_ = *piece;
    } else {
      write_chunk(out, *piece);
      unsent_ = out;
    }
    co_await transmit_unsent();
    if (answered_) co_return;
  }
  if (parts.source_length && total != *parts.source_length) {
    throw UsageError(fmt::format("the body's pieces make {} {} bytes, and {} were announced",
                                 total > *parts.source_length ? "more than" : "only",
                                 std::min(total, *parts.source_length), *parts.source_length));
  }
  if (parts.source_length) co_return;
  out.clear();
  write_last_chunk(out);
  unsent_ = out;
  co_await transmit_unsent();
}

}  // namespace clearway::http::detail
