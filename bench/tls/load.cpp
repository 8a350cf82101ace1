// Asks a TLS server, with Clearway's own streams:
//   bench_tls_load PORT ROOTS [--path /] [--connections 64] [--seconds 2]   kept connections
//   bench_tls_load PORT ROOTS --handshakes 1 …      a new connection, and whole handshake, for each
//   bench_tls_load PORT ROOTS --hold 1 …            one request each, then idle until its input
//   ends
// Prints one line of JSON. An error ends it with a message and code 1.

#include <unistd.h>

#include <bench/support/clock.hpp>
#include <bench/support/options.hpp>
#include <cstdio>
#include <ranges>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <clearway/clearway.hpp>
#include <clearway/tls.hpp>

using namespace clearway;

namespace {

struct Plan {
  Plan() = default;
  std::uint16_t port = 0;
  std::string request;
  long connections = 64;
  double seconds = 2;
  bool handshakes = false;
  TlsClientOptions tls;
};

// One request; gives the size of its answer, whose body is as long as Content-Length says.
Task<std::size_t> ask(Stream& stream, const Plan* plan) {
  co_await stream.write_view(plan->request);
  const std::string head = co_await stream.read_until("\r\n\r\n");
  const std::size_t at = head.find("Content-Length: ");
  if (at == std::string::npos || !head.starts_with("HTTP/1.1 200"))
    throw Error("not a 200: " + head);
  const std::size_t length = std::strtoul(head.c_str() + at + 16, nullptr, 10);
  const std::string body = co_await stream.read_exactly(length);
  co_return head.size() + body.size();
}

Task<Stream> open(const Plan* plan, TlsClientContext context) {
  co_return co_await tls_connect("localhost", plan->port, context);
}

Task<> keep_asking(const Plan* plan, TlsClientContext context, std::int64_t deadline,
                   long& answered) {
  Stream stream = co_await open(plan, context);
  while (bench::wall_nanoseconds() < deadline) {
    if (plan->handshakes) {
      TlsClientContext fresh(plan->tls);  // it knows no session to resume
      stream = co_await open(plan, fresh);
    }
    co_await ask(stream, plan);
    ++answered;
  }
}

Task<> measure(const Plan* plan) {
  const TlsClientContext context(plan->tls);
  long answered = 0;
  const std::int64_t began = bench::wall_nanoseconds();
  const std::int64_t cpu_began = bench::cpu_nanoseconds();
  const std::int64_t deadline = began + static_cast<std::int64_t>(plan->seconds * 1e9);
  co_await gather(std::views::iota(0L, plan->connections),
                  [&](long) { return keep_asking(plan, context, deadline, answered); });
  const double seconds = static_cast<double>(bench::wall_nanoseconds() - began) / 1e9;
  fmt::print(
      "{{\"requests\": {}, \"seconds\": {:.6f}, \"rate\": {:.1f}, \"cpu_seconds\": {:.6f}}}\n",
      answered, seconds, static_cast<double>(answered) / seconds,
      static_cast<double>(bench::cpu_nanoseconds() - cpu_began) / 1e9);
}

Task<> hold(const Plan* plan) {
  const TlsClientContext context(plan->tls);
  std::vector<Stream> held;
  for (long count = 0; count < plan->connections; ++count) {
    held.push_back(co_await open(plan, context));
    co_await ask(held.back(), plan);
  }
  fmt::print("{{\"held\": {}}}\n", held.size());
  std::fflush(stdout);
  char byte = 0;
  co_await to_thread([&] { return ::read(STDIN_FILENO, &byte, 1); });
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return std::fputs("usage: load PORT ROOTS [options], see load.cpp\n", stderr), 2;
  Plan plan;
  plan.port = static_cast<std::uint16_t>(std::atoi(arguments[1]));
  plan.tls.roots.file = arguments[2];
  const std::string path = bench::option(count, arguments, "--path", "/");
  plan.request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  plan.connections = bench::option(count, arguments, "--connections", 64L);
  plan.seconds = bench::option(count, arguments, "--seconds", 2.0);
  plan.handshakes = bench::option(count, arguments, "--handshakes", 0L) != 0;
  const bool holds = bench::option(count, arguments, "--hold", 0L) != 0;
  if (holds) return run_main(hold(&plan));
  return run_main(measure(&plan));
}
