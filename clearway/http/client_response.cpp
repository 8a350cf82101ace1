#include <clearway/http/client_response.hpp>
#include <clearway/http/exchange.hpp>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace clearway::http {

namespace {

nlohmann::json parse_json(const detail::Exchange& exchange, const std::string& text) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    const auto type = exchange.head.headers().get("Content-Type").value_or("no Content-Type");
    exchange.fail(DecodeError(fmt::format("the answer of {} bytes ({}) is not JSON: {}",
                                          text.size(), type, error.what())));
  }
}

}  // namespace

ClientResponse::ClientResponse(std::unique_ptr<detail::Exchange> exchange) noexcept
    : exchange_(std::move(exchange)) {}
ClientResponse::ClientResponse(ClientResponse&& other) noexcept = default;
ClientResponse& ClientResponse::operator=(ClientResponse&& other) noexcept = default;
ClientResponse::~ClientResponse() = default;

int ClientResponse::status() const noexcept { return exchange_->head.status(); }
std::string_view ClientResponse::reason() const noexcept { return exchange_->head.reason(); }
const Headers& ClientResponse::headers() const noexcept { return exchange_->head.headers(); }
std::string ClientResponse::url() const { return exchange_->url->without_secrets(); }
std::optional<std::uint64_t> ClientResponse::content_length() const noexcept {
  return exchange_->head.content_length();
}
std::uint64_t ClientResponse::received() const noexcept { return exchange_->decoder.received(); }
const Headers& ClientResponse::trailers() const noexcept { return exchange_->decoder.trailers(); }

Task<std::optional<std::string>> ClientResponse::read() { return exchange_->read(); }
Task<std::string> ClientResponse::bytes() {
  return exchange_->read_all(exchange_->core->options.max_body);
}
Task<std::string> ClientResponse::text() { return bytes(); }

Task<nlohmann::json> ClientResponse::json() {
  detail::Exchange& exchange = *exchange_;
  const std::string body = co_await exchange.read_all(exchange.core->options.max_body);
  co_return parse_json(exchange, body);
}

Task<> ClientResponse::ensure_ok() {
  if (ok()) co_return;
  detail::Exchange& exchange = *exchange_;
  std::string excerpt = co_await exchange.read_excerpt();
  throw StatusError(exchange.head.status(), exchange.url->without_secrets(), std::move(excerpt));
}

}  // namespace clearway::http
