#pragma once
// What both Boost.Beast servers share: reading requests and answering "Hello, world!" in a
// coroutine. `Stream` and the executor are what separates the example's way from the lean one.

#include <utility>  // first: Boost 1.74 forgets it where it uses std::exchange

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <cstdio>
#include <cstdlib>

namespace bench {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

inline http::response<http::string_body> hello(const http::request<http::string_body>& request) {
  http::response<http::string_body> response{http::status::ok, request.version()};
  response.set(http::field::content_type, "text/plain");
  response.keep_alive(request.keep_alive());
  response.body() = "Hello, world!";
  response.prepare_payload();
  return response;
}

inline int port_argument(int count, char** arguments) {
  if (count == 2) return std::atoi(arguments[1]);
  std::fprintf(stderr, "usage: %s PORT\n", arguments[0]);
  std::exit(2);
}

}  // namespace bench
