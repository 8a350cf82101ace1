// What the drivers are compared with: drivers_server PORT. GET /small, GET /large (a megabyte from
// memory), GET /file (a megabyte from a file), POST /sink (takes any body).

#include <unistd.h>

#include <cstdlib>

#include <clearway/http.hpp>
#include <clearway/os/file.hpp>

namespace http = clearway::http;
using clearway::Task;

namespace {

constexpr std::size_t megabyte = 1'000'000;

Task<> serve(std::string endpoint, std::string path) {
  const std::string large(megabyte, 'x');
  co_await clearway::write_file(path, large);
  http::App app;
  app.get("/small", [](http::Request&) -> Task<http::Response> { co_return "Hello, world!"; });
  app.get("/large", [&](http::Request&) -> Task<http::Response> { co_return large; });
  app.get("/file", [&](http::Request& request) -> Task<http::Response> {
    co_return co_await http::send_file(request, path);
  });
  app.post("/sink", [](http::Request& request) -> Task<http::Response> {
    while (auto piece = co_await request.read()) {
    }
    co_return "taken\n";
  });
  http::ServerOptions options;
  options.body_limit = 64 * megabyte;
  co_await http::serve(app, endpoint, options);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  const std::string port = arguments[1];
  const std::string path = "/tmp/clearway-bench-" + port;
  const int status = clearway::run_main(serve("tcp:" + port + ":interface=127.0.0.1", path));
  ::unlink(path.c_str());
  return status;
}
