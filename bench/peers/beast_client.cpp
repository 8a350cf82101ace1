// Boost.Beast's client in coroutines: bench_peers_beast_client PORT COUNT CONCURRENCY, as
// bench/floor/client.cpp. A tcp_stream with a deadline of 30 s per request, as in its examples.

#include <bench/peers/beast_server.hpp>
#include <bench/support/clock.hpp>
#include <chrono>
#include <string>

using namespace bench;

namespace {

struct Run {
  tcp::endpoint server;
  long count;
  long asked = 0;
  long answered = 0;
};

asio::awaitable<void> client(Run& run) {
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  beast::flat_buffer buffer;
  stream.expires_after(std::chrono::seconds(30));
  co_await stream.async_connect(run.server, asio::use_awaitable);
  stream.socket().set_option(tcp::no_delay(true));
  while (run.asked < run.count) {
    stream.expires_after(std::chrono::seconds(30));
    http::request<http::empty_body> request{http::verb::get, "/" + std::to_string(run.asked++), 11};
    request.set(http::field::host, "localhost");
    co_await http::async_write(stream, request, asio::use_awaitable);
    http::response<http::string_body> response;
    co_await http::async_read(stream, buffer, response, asio::use_awaitable);
    if (response.result() == http::status::ok) ++run.answered;
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return std::fputs("usage: PORT COUNT CONCURRENCY\n", stderr), 2;
  asio::io_context context(1);
  const auto port = static_cast<unsigned short>(std::atoi(arguments[1]));
  Run run{.server = {asio::ip::address_v4::loopback(), port}, .count = std::atol(arguments[2])};
  const std::int64_t began = wall_nanoseconds();
  const std::int64_t cpu_began = cpu_nanoseconds();
  const long concurrency = std::min(run.count, std::atol(arguments[3]));
  const auto rethrow = [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  };
  for (long i = 0; i < concurrency; ++i) asio::co_spawn(context, client(run), rethrow);
  context.run();
  std::printf("{\"requests\": %ld, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n", run.answered,
              static_cast<double>(wall_nanoseconds() - began) / 1e9,
              static_cast<double>(cpu_nanoseconds() - cpu_began) / 1e9);
}
