#include <clearway/http/app.hpp>

#include <fmt/format.h>
#include <clearway/base/error.hpp>

namespace clearway::http {

namespace detail {

void refuse_number() { throw Abort(404, "404 Not Found"); }

void check_parameters(const Pattern& pattern, const bool* is_integer, std::size_t count) {
  const std::vector<Pattern::Part> parameters = pattern.parameters();
  if (parameters.size() != count) {
    throw UsageError(
        fmt::format("route \"{}\" has {} parameters, and its handler takes {} after http::Request&",
                    pattern.text(), parameters.size(), count));
  }
  for (std::size_t index = 0; index < count; ++index) {
    const bool wants_integer = parameters[index].kind == ParameterKind::Integer;
    if (wants_integer == is_integer[index]) continue;
    throw UsageError(fmt::format(
        "route \"{}\": the handler takes {} for \"{}\", which the pattern gives as {}",
        pattern.text(), is_integer[index] ? "an integer" : "std::string", parameters[index].text,
        wants_integer ? "an integer" : "text: write {name:int} for an integer"));
  }
}

}  // namespace detail

void App::add(std::string_view method, const Pattern& pattern,
              std::shared_ptr<detail::Handler> handler) {
  router_.add(method, pattern, handler);
  routes_.emplace_back(std::string(method), pattern.text(), std::move(handler));
}

void App::mount(std::string_view prefix, const App& other) {
  if (prefix.size() < 2 || prefix.back() == '/') {
    throw UsageError(fmt::format(
        "cannot mount at \"{}\": a prefix begins with '/', and does not end with one", prefix));
  }
  if (&other == this) throw UsageError("an app cannot be mounted below itself");
  if (!other.middleware_.empty()) {
    throw UsageError(fmt::format(
        "cannot mount at \"{}\": its middleware would be passed by; use() it in the app that is "
        "served",
        prefix));
  }
  const Pattern base = Pattern::parse(prefix);
  if (!base.parameters().empty()) {
    throw UsageError(fmt::format("cannot mount at \"{}\": a prefix has no parameters", prefix));
  }
  bool has_root = false;
  for (const Route& route : other.routes_) {
    add(route.method, Pattern::parse(std::string(prefix) + route.pattern), route.handler);
    has_root = has_root || (route.pattern == "/" && route.method == "GET");
  }
  if (has_root) {
    get(prefix,
        [target = std::string(prefix) + "/"](Request&) { return Response::redirect(target, 308); });
  }
}

}  // namespace clearway::http
