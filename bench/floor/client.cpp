// The floor of HTTP clients: floor_client PORT COUNT CONCURRENCY. COUNT GETs of /0, /1, … over
// CONCURRENCY kept-alive connections, all opened at once; answers are counted in bytes, not parsed.
// Prints {"requests", "seconds", "cpu_seconds"}, as every client in bench/peers does.

#include <unistd.h>

#include <algorithm>
#include <bench/support/clock.hpp>
#include <bench/support/socket.hpp>
#include <vector>

namespace {

struct Run {
  long count;
  long asked = 0;
  long answered = 0;
  std::vector<std::size_t> missing;  // per descriptor: bytes of its answer that are still to come
};

void ask(Run& run, int connection) {
  if (run.asked == run.count) return;
  char request[96];
  const int size = std::snprintf(request, sizeof request,
                                 "GET /%ld HTTP/1.1\r\nHost: localhost\r\n\r\n", run.asked++);
  if (send(connection, request, static_cast<std::size_t>(size), MSG_NOSIGNAL) != size) {
    bench::fail("send");
  }
  run.missing[static_cast<std::size_t>(connection)] = bench::answer.size();
}

void advance(Run& run, int connection) {
  static char input[16384];
  std::size_t& missing = run.missing[static_cast<std::size_t>(connection)];
  if (missing == 0) return ask(run, connection);  // just connected
  const ssize_t size = recv(connection, input, sizeof input, 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) bench::fail("recv");
  missing -= std::min(missing, static_cast<std::size_t>(size));
  if (missing > 0) return;
  ++run.answered;
  ask(run, connection);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return std::fputs("usage: floor_client PORT COUNT CONCURRENCY\n", stderr), 2;
  const int port = std::atoi(arguments[1]);
  const int poll = bench::check(epoll_create1(0), "epoll_create1");
  Run run{.count = std::atol(arguments[2]), .missing = std::vector<std::size_t>(65536)};
  const std::int64_t began = bench::wall_nanoseconds();
  const std::int64_t cpu_began = bench::cpu_nanoseconds();
  for (long i = std::min(run.count, std::atol(arguments[3])); i > 0; --i) {
    const int connection = bench::connect_to(port, SOCK_NONBLOCK);
    bench::watch(poll, connection, EPOLLIN | EPOLLOUT | EPOLLET,
                 static_cast<std::uint64_t>(connection));
  }
  epoll_event events[512];
  while (run.answered < run.count) {
    const int ready = epoll_wait(poll, events, 512, -1);
    for (int i = 0; i < ready; ++i) advance(run, static_cast<int>(events[i].data.u64));
  }
  const double seconds = static_cast<double>(bench::wall_nanoseconds() - began) / 1e9;
  const double cpu = static_cast<double>(bench::cpu_nanoseconds() - cpu_began) / 1e9;
  std::printf("{\"requests\": %ld, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n", run.answered,
              seconds, cpu);
}
