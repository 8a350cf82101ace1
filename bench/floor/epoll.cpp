// The floor on epoll: floor_epoll PORT. One wait for many connections, one read and one send each.
// It neither parses nor times out; what a framework costs is what it adds to this.

#include <unistd.h>

#include <algorithm>
#include <bench/floor/requests.hpp>

namespace {

unsigned char matched[bench::most_descriptors];

void accept_all(int poll, int listener) {
  for (;;) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
    if (connection < 0) return;
    matched[connection] = 0;
    bench::watch(poll, connection, EPOLLIN, static_cast<std::uint64_t>(connection));
  }
}

void answer(int connection, const std::string& answers) {
  static char input[16384];
  const ssize_t size = recv(connection, input, sizeof input, 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) {
    close(connection);
    return;
  }
  const std::size_t requests =
      bench::count_requests(input, static_cast<std::size_t>(size), matched[connection]);
  if (requests == 0) return;
  const std::size_t bytes = std::min(requests, bench::most_answers) * bench::answer.size();
  // A client that does not read its answers is not one of ours: no short sends are kept.
  if (send(connection, answers.data(), bytes, MSG_NOSIGNAL) != static_cast<ssize_t>(bytes)) {
    close(connection);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return std::fputs("usage: floor_epoll PORT\n", stderr), 2;
  const int listener = bench::listen_on(std::atoi(arguments[1]));
  const int poll = bench::check(epoll_create1(0), "epoll_create1");
  const std::string answers = bench::many_answers();
  bench::watch(poll, listener, EPOLLIN, static_cast<std::uint64_t>(listener));
  epoll_event events[512];
  for (;;) {
    const int ready = epoll_wait(poll, events, 512, -1);
    for (int i = 0; i < ready; ++i) {
      const int descriptor = static_cast<int>(events[i].data.u64);
      if (descriptor == listener)
        accept_all(poll, listener);
      else
        answer(descriptor, answers);
    }
  }
}
