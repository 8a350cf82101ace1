// Answers every request after a delay that depends on its number alone:
//   delay_server PORT MINIMUM_MS MAXIMUM_MS
// GET /n waits a step of an even ladder from the minimum to the maximum; any 150 consecutive
// numbers use each of its 150 steps once, so they always share one slowest and one sum.

#include <time.h>
#include <unistd.h>

#include <bench/support/clock.hpp>
#include <bench/support/socket.hpp>
#include <queue>
#include <string_view>
#include <vector>

namespace {

struct Due {
  std::int64_t when;
  int connection;
  bool operator>(const Due& other) const { return when > other.when; }
};

using Queue = std::priority_queue<Due, std::vector<Due>, std::greater<>>;

std::int64_t delay_of(std::string_view request, std::int64_t minimum, std::int64_t maximum) {
  const std::size_t path = request.find(" /");
  const long number = path == request.npos ? 0 : std::atol(request.data() + path + 2);
  return minimum + number * 37 % 150 * (maximum - minimum) / 149;
}

void answer_due(Queue& queue) {
  const std::int64_t now = bench::wall_nanoseconds();
  while (!queue.empty() && queue.top().when <= now) {
    const int connection = queue.top().connection;
    queue.pop();
    if (send(connection, bench::answer.data(), bench::answer.size(), MSG_NOSIGNAL) < 0) {
      std::fputs("a client left before its answer\n", stderr);
    }
  }
}

timespec until_due(const Queue& queue) {
  std::int64_t left = 3'600'000'000'000;
  if (!queue.empty())
    left = std::max<std::int64_t>(0, queue.top().when - bench::wall_nanoseconds());
  return {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
}

void accept_all(int poll, int listener) {
  for (;;) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
    if (connection < 0) return;
    bench::watch(poll, connection, EPOLLIN, static_cast<std::uint64_t>(connection));
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return std::fputs("usage: delay_server PORT MIN_MS MAX_MS\n", stderr), 2;
  const int listener = bench::listen_on(std::atoi(arguments[1]));
  const std::int64_t minimum = std::atol(arguments[2]) * 1'000'000;
  const std::int64_t maximum = std::atol(arguments[3]) * 1'000'000;
  const int poll = bench::check(epoll_create1(0), "epoll_create1");
  bench::watch(poll, listener, EPOLLIN, static_cast<std::uint64_t>(listener));
  Queue queue;
  epoll_event events[512];
  for (;;) {
    const timespec wait = until_due(queue);
    const int ready = epoll_pwait2(poll, events, 512, &wait, nullptr);
    for (int i = 0; i < ready; ++i) {
      const int descriptor = static_cast<int>(events[i].data.u64);
      if (descriptor == listener) {
        accept_all(poll, listener);
        continue;
      }
      // One request at a time and short, so it arrives whole.
      char input[4097];
      const ssize_t size = recv(descriptor, input, sizeof input - 1, 0);
      if (size <= 0) {
        close(descriptor);
        continue;
      }
      input[size] = '\0';
      const std::string_view request(input, static_cast<std::size_t>(size));
      queue.push({bench::wall_nanoseconds() + delay_of(request, minimum, maximum), descriptor});
    }
    answer_due(queue);
  }
}
