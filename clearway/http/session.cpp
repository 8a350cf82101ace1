#include <clearway/base/error.hpp>
#include <clearway/http/exchange.hpp>
#include <clearway/http/serialize.hpp>
#include <clearway/http/session.hpp>

namespace clearway::http {

Session::Session(SessionOptions options) : core_(std::make_shared<detail::SessionCore>(options)) {}

Session::Session(std::string_view base_url, SessionOptions options) : Session(options) {
  core_->base = Url::parse(base_url);
}

Session::Session(Session&& other) noexcept = default;
Session& Session::operator=(Session&& other) noexcept = default;

Session::~Session() {
  if (core_ != nullptr) core_->pool.shut_down();
}

ClientRequest Session::request(std::string_view method, std::string_view url) {
  if (core_ == nullptr) {
    throw UsageError("this http::Session was moved from: use the one that it was moved to");
  }
  check_method(method);
  return ClientRequest(std::make_unique<detail::Exchange>(core_, method, url));
}

ClientRequest Session::get(std::string_view url) { return request("GET", url); }
ClientRequest Session::head(std::string_view url) { return request("HEAD", url); }
ClientRequest Session::post(std::string_view url) { return request("POST", url); }
ClientRequest Session::put(std::string_view url) { return request("PUT", url); }
ClientRequest Session::patch(std::string_view url) { return request("PATCH", url); }
ClientRequest Session::delete_(std::string_view url) { return request("DELETE", url); }

Headers& Session::headers() noexcept { return core_->headers; }
const SessionOptions& Session::options() const noexcept { return core_->options; }
std::size_t Session::connections() const noexcept { return core_->pool.open(); }
std::size_t Session::idle_connections() const noexcept { return core_->pool.idle(); }
void Session::close_idle() noexcept { core_->pool.shut_down(); }

}  // namespace clearway::http
