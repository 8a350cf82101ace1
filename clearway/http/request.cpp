#include <clearway/http/request.hpp>

#include <fmt/format.h>
#include <clearway/http/media.hpp>
#include <clearway/http/response.hpp>
#include <clearway/http/server_exchange.hpp>
#include <clearway/tls/info.hpp>
#include <nlohmann/json.hpp>

namespace clearway::http {

namespace {

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() - at < length) return false;
    std::uint32_t code = lead & (0x7FU >> length);
    for (std::size_t next = 1; next < length; ++next) {
      const auto byte = static_cast<unsigned char>(text[at + next]);
      if ((byte & 0xC0) != 0x80) return false;
      code = code << 6 | (byte & 0x3FU);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    at += length;
  }
  return true;
}

}  // namespace

void Request::restart(std::uint64_t body_limit) noexcept {
  body_limit_ = body_limit;
  body_kept_ = false;
  query_read_ = false;
  body_.clear();
}

const Query& Request::query() {
  if (!query_read_) query_ = Query::parse(head_.query());
  query_read_ = true;
  return query_;
}

std::optional<std::string_view> Request::query(std::string_view name) { return query().get(name); }

std::string Request::parameter(std::string_view name) const {
  if (route_.entry == nullptr) throw UsageError("a request without route has no parameters");
  const auto parameters = route_.entry->pattern.parameters();
  for (std::size_t index = 0; index < parameters.size(); ++index) {
    if (parameters[index].text == name) return decode_parameter(route_.parameters.values[index]);
  }
  throw UsageError(
      fmt::format("route \"{}\" has no parameter \"{}\"", route_.entry->pattern.text(), name));
}

const Address& Request::peer() const noexcept { return exchange_.peer(); }

std::optional<TlsInfo> Request::tls() const { return exchange_.tls(); }

Task<std::string> Request::body() {
  while (!body_kept_) {
    const std::size_t size = co_await exchange_.read_body(body_);
    body_kept_ = size == 0;
  }
  co_return body_;
}

Task<std::string> Request::text() {
  std::string text = co_await body();
  if (!is_utf8(text)) throw Abort(400, "the body is not UTF-8 text");
  co_return text;
}

Task<nlohmann::json> Request::json() {
  const std::string text = co_await body();
  try {
    co_return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw Abort(400, fmt::format("the body is not JSON: at byte {}", error.byte));
  }
}

Task<Query> Request::form() {
  const MediaType type = MediaType::parse(header("Content-Type").value_or(""));
  if (type.essence() != "application/x-www-form-urlencoded") {
    throw Abort(415, "the body must be application/x-www-form-urlencoded");
  }
  const std::string text = co_await body();
  co_return Query::parse(text);
}

Task<std::optional<std::string>> Request::read() {
  std::string piece;
  const std::size_t size = co_await exchange_.read_body(piece);
  if (size == 0) co_return std::nullopt;
  co_return piece;
}

}  // namespace clearway::http
