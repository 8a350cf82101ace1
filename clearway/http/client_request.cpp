#include <clearway/http/client_request.hpp>
#include <clearway/http/exchange.hpp>
#include <clearway/http/media.hpp>
#include <clearway/http/query.hpp>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace clearway::http {

namespace {

using detail::Exchange;

// Fields that would say something else than what is sent, or ask for what cannot be done.
void refuse_framing(std::string_view name) {
  for (const std::string_view field : {"Content-Length", "Transfer-Encoding"}) {
    if (equal_ignoring_case(name, field)) {
      throw HeaderError(
          fmt::format("{} follows from the body: use body(), form(), json() or "
                      "body_stream()",
                      field));
    }
  }
  for (const std::string_view field : {"Upgrade", "Expect", "Trailer"}) {
    if (equal_ignoring_case(name, field)) {
      throw HeaderError(fmt::format("{} is not supported in requests", field));
    }
  }
}

void append_pair(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out += '&';
  append_form_encoded(out, name);
  out += '=';
  append_form_encoded(out, value);
}

Task<ClientResponse> send_request(std::unique_ptr<Exchange> exchange) {
  co_await exchange->send();
  co_return ClientResponse(std::move(exchange));
}

Task<std::string> fetch(std::unique_ptr<Exchange> exchange) {
  co_await exchange->send();
  const int status = exchange->head.status();
  if (status < 200 || status > 299) {
    std::string excerpt = co_await exchange->read_excerpt();
    throw StatusError(status, exchange->url->without_secrets(), std::move(excerpt));
  }
  co_return co_await exchange->read_all(exchange->core->options.max_body);
}

Task<nlohmann::json> fetch_json(std::unique_ptr<Exchange> exchange) {
  exchange->parts.headers.add_if_absent("Accept", "application/json");
  ClientResponse response = co_await send_request(std::move(exchange));
  co_await response.ensure_ok();
  co_return co_await response.json();
}

}  // namespace

ClientRequest::ClientRequest(std::unique_ptr<Exchange> exchange) noexcept
    : exchange_(std::move(exchange)) {}
ClientRequest::ClientRequest(ClientRequest&& other) noexcept = default;
ClientRequest& ClientRequest::operator=(ClientRequest&& other) noexcept = default;
ClientRequest::~ClientRequest() = default;

ClientRequest&& ClientRequest::header(std::string_view name, std::string_view value) && {
  refuse_framing(name);
  exchange_->parts.headers.set(name, value);
  return std::move(*this);
}

ClientRequest&& ClientRequest::query(std::string_view name, std::string_view value) && {
  append_pair(exchange_->parts.query, name, value);
  return std::move(*this);
}

ClientRequest&& ClientRequest::form(std::string_view name, std::string_view value) && {
  detail::RequestParts& parts = exchange_->parts;
  if (!parts.has_body) {
    parts.headers.add_if_absent("Content-Type", "application/x-www-form-urlencoded");
  }
  parts.has_body = true;
  append_pair(parts.body, name, value);
  return std::move(*this);
}

ClientRequest&& ClientRequest::body(std::string bytes, std::string_view type) && {
  detail::RequestParts& parts = exchange_->parts;
  parts.body = std::move(bytes);
  parts.has_body = true;
  parts.headers.add_if_absent("Content-Type", type);
  return std::move(*this);
}

ClientRequest&& ClientRequest::json(const nlohmann::json& value) && {
  return std::move(*this).body(value.dump(), "application/json");
}

ClientRequest&& ClientRequest::set_source(Source source, std::optional<std::uint64_t> length) && {
  exchange_->parts.source = std::move(source);
  exchange_->parts.source_length = length;
  return std::move(*this);
}

ClientRequest&& ClientRequest::basic_auth(std::string_view user, std::string_view password) && {
  exchange_->parts.headers.set("Authorization", http::basic_auth(user, password));
  return std::move(*this);
}

ClientRequest&& ClientRequest::timeout(Duration total) && {
  exchange_->parts.total = total;
  return std::move(*this);
}

ClientRequest&& ClientRequest::no_redirects() && {
  exchange_->parts.follow_redirects = false;
  return std::move(*this);
}

Task<ClientResponse> ClientRequest::send() && { return send_request(std::move(exchange_)); }

clearway::detail::TaskAwaiter<ClientResponse> ClientRequest::operator co_await() && {
  return clearway::detail::TaskAwaiter<ClientResponse>(std::move(*this).send().release());
}

Task<std::string> ClientRequest::text() && { return fetch(std::move(exchange_)); }
Task<std::string> ClientRequest::bytes() && { return fetch(std::move(exchange_)); }
Task<nlohmann::json> ClientRequest::json() && { return fetch_json(std::move(exchange_)); }

}  // namespace clearway::http
