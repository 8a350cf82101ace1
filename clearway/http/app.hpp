#pragma once

// A web application: routes and what answers them.
//
//   http::App app;
//   app.get("/users/{id:int}", [](http::Request&, int id) -> Task<http::Response> {
//     co_return fmt::format("user {}", id);
//   });
//   co_await serve(app, "tcp:8080");

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <clearway/http/handler.hpp>
#include <clearway/http/middleware.hpp>
#include <clearway/http/router.hpp>

namespace clearway::http {

// Handlers take http::Request& and then the pattern's parameters in order: an integer for {x:int},
// std::string for {x} and {x:path}. They return Task<http::Response>; one that never waits may
// return the response, or text, itself. The App owns them, captures included, and outlives the
// server; routes are added before it is served.
//
// A path without route is answered with 404, a method without one with 405 and Allow, HEAD by the
// route of GET, and OPTIONS with Allow, unless there are routes for these.
//
// Every function throws UsageError for a pattern that is malformed, is there already for that
// method, or does not fit the handler's parameters.
class App {
 public:
  App() = default;
  App(const App&) = delete;
  App& operator=(const App&) = delete;
  ~App() = default;

  template <class F>
  void get(std::string_view pattern, F&& handler) {
    route("GET", pattern, std::forward<F>(handler));
  }
  template <class F>
  void head(std::string_view pattern, F&& handler) {
    route("HEAD", pattern, std::forward<F>(handler));
  }
  template <class F>
  void post(std::string_view pattern, F&& handler) {
    route("POST", pattern, std::forward<F>(handler));
  }
  template <class F>
  void put(std::string_view pattern, F&& handler) {
    route("PUT", pattern, std::forward<F>(handler));
  }
  template <class F>
  void patch(std::string_view pattern, F&& handler) {
    route("PATCH", pattern, std::forward<F>(handler));
  }
  template <class F>
  void delete_(std::string_view pattern, F&& handler) {
    route("DELETE", pattern, std::forward<F>(handler));
  }
  template <class F>
  void options(std::string_view pattern, F&& handler) {
    route("OPTIONS", pattern, std::forward<F>(handler));
  }
  template <class F>
  void route(std::string_view method, std::string_view pattern, F&& handler) {
    using Function = std::decay_t<F>;
    static_assert(detail::HasSignature<Function>,
                  "a handler is a function or a lambda without auto parameters");
    using Typed = detail::handler_for<Function>;
    const Pattern parsed = Pattern::parse(pattern);
    Typed::check(parsed);
    add(method, parsed, std::make_shared<Typed>(std::forward<F>(handler)));
  }

  // Answers every request from now on through `middleware`, a function of a Request& and a Next;
  // the first that was added is the outermost:
  //
  //   app.use([](http::Request& request, http::Next next) -> Task<http::Response> {
  //     if (!request.header("Authorization")) throw http::Abort(401, "who are you?");
  //     http::Response response = co_await next();
  //     co_return std::move(response.header("X-Served-By", "clearway"));
  //   });
  //
  // The route has been looked up: request.parameter() knows its parameters.
  void use(Middleware middleware) { middleware_.push_back(std::move(middleware)); }

  // Adds the routes that `other` has now below `prefix` ("/admin"): its "/" becomes "/admin/", and
  // "/admin" itself redirects there. Throws UsageError when `other` has middleware, which would be
  // passed by.
  void mount(std::string_view prefix, const App& other);

  [[nodiscard]] const Router& router() const noexcept { return router_; }
  [[nodiscard]] std::vector<Middleware>& middleware() noexcept { return middleware_; }

 private:
  struct Route {
    Route(std::string method, std::string pattern, std::shared_ptr<detail::Handler> handler)
        : method(std::move(method)), pattern(std::move(pattern)), handler(std::move(handler)) {}
    std::string method;
    std::string pattern;
    std::shared_ptr<detail::Handler> handler;
  };

  void add(std::string_view method, const Pattern& pattern,
           std::shared_ptr<detail::Handler> handler);

  std::vector<Route> routes_;
  Router router_;
  std::vector<Middleware> middleware_;
};

}  // namespace clearway::http
