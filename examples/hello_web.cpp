// A web application: a page, a route with a typed parameter, an answer that takes its time without
// keeping anybody else waiting, and one that is written as it comes into being.

#include "support/program.hpp"

#include <charconv>

#include <fmt/format.h>
#include <clearway/clearway.hpp>
#include <clearway/http.hpp>
#include <clearway/task/workers.hpp>

namespace http = clearway::http;
using clearway::Task;
using namespace std::chrono_literals;

namespace {

constexpr const char* page = R"(<!doctype html>
<title>Hello from Clearway</title>
<h1>Hello!</h1>
<ul>
  <li><a href="/users/7">a typed route</a>
  <li><a href="/slow">an answer that takes five seconds</a>
  <li><a href="/ticks?count=5">one that is streamed</a>
</ul>
)";

int number_in_query(http::Request& request, std::string_view name, int otherwise, int most) {
  const auto text = request.query(name);
  if (!text) return otherwise;
  int number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number < 0 || number > most) {
    throw http::Abort(400, fmt::format("{} is a number from 0 to {}", name, most));
  }
  return number;
}

void add_routes(http::App& app) {
  app.get("/", [](http::Request&) { return http::Response::html(page); });
  app.get("/plaintext", [](http::Request&) -> Task<http::Response> { co_return "Hello, world!"; });
  app.get("/users/{id:int}", [](http::Request&, int id) -> Task<http::Response> {
    co_return fmt::format("This is user {}.\n", id);
  });
  app.get("/slow", [](http::Request&) -> Task<http::Response> {
    co_await clearway::sleep(5s);
    co_return "done\n";
  });
  app.get("/ticks", [](http::Request& request) -> Task<http::Response> {
    const int count = number_in_query(request, "count", 10, 1000);
    co_return http::Response::stream([count](http::BodyWriter& out) -> Task<> {
      for (int tick = 1; tick <= count; ++tick) {
        co_await out.write(fmt::format("tick {}\n", tick));
        co_await clearway::sleep(500ms);
      }
    }).content_type("text/plain; charset=utf-8");
  });
  app.post("/echo", [](http::Request& request) -> Task<http::Response> {
    co_return co_await request.body();
  });
}

void print_line(std::string_view line) { fmt::print("{}\n", line); }

// One of the workers, each with a loop and a thread of its own: the kernel deals connections out.
Task<> work(clearway::Worker worker, std::string endpoint, bool log) {
  http::App app;
  add_routes(app);
  http::ServerOptions options;
  options.reuse_port = worker.count > 1;
  if (log) options.access_log = print_line;
  http::Server server(app, endpoint, options);
  if (worker.index == 0) {
    fmt::print("listening on {} (Ctrl-C ends it)\n", server.address().to_string());
    std::fflush(stdout);
  }
  co_await server.run();
}

Task<> serve_until_stopped(std::string endpoint, int workers, bool log) {
  if (workers == 1) {
    co_await work(clearway::Worker(), endpoint, log);
  } else {
    co_await clearway::run_workers(static_cast<std::size_t>(workers), [&](clearway::Worker worker) {
      return work(worker, endpoint, log);
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string endpoint = "tcp:8080:interface=127.0.0.1";
  std::vector<std::string> log;
  example::CommandLine line("hello_web", "Serves a small web application.");
  int workers = 1;
  line.option("--listen", endpoint,
              "where: tcp:PORT, tcp:PORT:interface=ADDRESS, unix:PATH or "
              "ssl:PORT:privateKey=FILE:certKey=FILE")
      .option("--workers", workers, 1, 1024, "how many threads serve, each with a loop of its own")
      .choices("--log", log, {"access"}, "what to print: access (one line per request)");
  if (const auto status = line.parse(argc, argv)) return *status;
  const bool wants_log = !log.empty();
  return example::run("hello_web",
                      [&] { return serve_until_stopped(endpoint, workers, wants_log); });
}
