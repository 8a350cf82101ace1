#pragma once

#include <clearway/http/message.hpp>
#include <clearway/http/url.hpp>

namespace clearway::http::detail {

/// What a redirect asks for (RFC 9110 section 15.4).
struct Redirect {
  Url url;
  bool becomes_get = false;    ///< the method changes to GET, and the body is dropped
  bool leaves_origin = false;  ///< credentials must not be sent along
};

/// 301, 302, 303, 307 and 308.
bool is_redirect(int status) noexcept;

/// Where an answer with `status` and `location` to a request for `from` leads. Throws
/// `RedirectError` for a location that is no URL, and where https would become http.
Redirect plan_redirect(int status, std::string_view method, const Url& from,
                       std::string_view location);

/// Removes what must not reach another origin: Authorization, Cookie, Proxy-Authorization.
void strip_credentials(Headers& headers);
/// Removes the fields that describe a body.
void strip_content_fields(Headers& headers);

}  // namespace clearway::http::detail
