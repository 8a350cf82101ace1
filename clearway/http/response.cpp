#include <clearway/http/response.hpp>

#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace clearway::http {

namespace {

void check_not_ours(std::string_view name) {
  constexpr std::array<std::string_view, 3> ours = {"Content-Length", "Transfer-Encoding",
                                                    "Connection"};
  for (const std::string_view field : ours) {
    if (equal_ignoring_case(name, field)) {
      throw HeaderError(fmt::format(
          "the server writes {} itself{}", field,
          field == "Connection" ? "" : ": a streamed body's length is content_length()"));
    }
  }
}

}  // namespace

Abort::Abort(int status, std::string text) : Error(std::move(text)), status_(status) {
  if (status < 400 || status > 599) {
    throw UsageError(fmt::format("Abort({}, …): the status of a refusal is 400 to 599", status));
  }
}

Response Response::with_status(int status) {
  Response response;
  response.status(status);
  return response;
}

Response Response::html(std::string text) {
  Response response(std::move(text));
  response.content_type_ = "text/html; charset=utf-8";
  return response;
}

Response Response::json(const nlohmann::json& value) {
  return json_text(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

Response Response::json_text(std::string text) {
  Response response(std::move(text));
  response.content_type_ = "application/json";
  return response;
}

Response Response::redirect(std::string_view location, int status) {
  Response response;
  response.status(status).header("Location", location);
  return response;
}

Response& Response::status(int status) & {
  if (status < 200 || status > 599) {
    throw HeaderError(fmt::format("an answer's status is 200 to 599, not {}", status));
  }
  status_ = status;
  return *this;
}

Response& Response::header(std::string_view name, std::string_view value) & {
  check_not_ours(name);
  headers_.set(name, value);
  return *this;
}

Response& Response::add_header(std::string_view name, std::string_view value) & {
  check_not_ours(name);
  headers_.add(name, value);
  return *this;
}

Response& Response::content_length(std::uint64_t length) & {
  if (!streamed()) {
    throw UsageError("content_length() is for a streamed body: the server counts every other one");
  }
  length_ = length;
  return *this;
}

}  // namespace clearway::http
