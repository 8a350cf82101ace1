#include <clearway/http/client_error.hpp>
#include <clearway/http/redirect.hpp>

#include <fmt/format.h>

namespace clearway::http::detail {

bool is_redirect(int status) noexcept {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

namespace {

Url target_of(const Url& from, std::string_view location) {
  try {
    return from.resolve(location);
  } catch (const UrlError& error) {
    throw RedirectError(fmt::format("the redirect's Location is not usable: {}", error.what()));
  }
}

}  // namespace

Redirect plan_redirect(int status, std::string_view method, const Url& from,
                       std::string_view location) {
  Redirect redirect{target_of(from, location)};
  redirect.url.clear_userinfo();  // the server's idea of our credentials
  if (from.secure() && !redirect.url.secure()) {
    throw RedirectError(fmt::format("a redirect from https to {} would give up encryption",
                                    redirect.url.without_secrets()));
  }
  redirect.leaves_origin = !from.same_origin(redirect.url);
  const bool see_other = status == 303 && method != "HEAD";
  const bool as_browsers_do = (status == 301 || status == 302) && method == "POST";
  redirect.becomes_get = (see_other || as_browsers_do) && method != "GET";
  return redirect;
}

void strip_credentials(Headers& headers) {
  headers.remove("Authorization");
  headers.remove("Cookie");
  headers.remove("Proxy-Authorization");
}

void strip_content_fields(Headers& headers) {
  headers.remove("Content-Type");
  headers.remove("Content-Encoding");
  headers.remove("Content-Language");
  headers.remove("Content-Location");
}

}  // namespace clearway::http::detail
