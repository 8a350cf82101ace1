// Load for a server that sends datagrams back: load_udp PORT [--window N] [--seconds S] [--size N].
// Keeps a window of datagrams on their way and prints {"requests", "seconds", "rate", "lost"}. What
// does not come back within a tenth of a second is lost.

#include <poll.h>

#include <algorithm>
#include <bench/support/clock.hpp>
#include <bench/support/options.hpp>
#include <bench/support/socket.hpp>
#include <vector>

namespace {

constexpr std::size_t most = 64;

// Up to 64 datagrams with one call.
class Burst {
 public:
  explicit Burst(std::size_t size) : memory_(most * size, 'x'), pieces_(most), messages_(most) {
    for (std::size_t i = 0; i < most; ++i) {
      pieces_[i] = {memory_.data() + i * size, size};
      messages_[i].msg_hdr.msg_iov = &pieces_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  long send(int socket, long count) {
    const auto wanted = static_cast<unsigned>(std::min<long>(count, most));
    return std::max(0, sendmmsg(socket, messages_.data(), wanted, 0));
  }
  long receive(int socket) {
    return std::max(0, recvmmsg(socket, messages_.data(), most, MSG_DONTWAIT, nullptr));
  }

 private:
  std::vector<char> memory_;
  std::vector<iovec> pieces_;
  std::vector<mmsghdr> messages_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  const long window = bench::option(count, arguments, "--window", 32L);
  const double seconds = bench::option(count, arguments, "--seconds", 2.0);
  Burst burst(static_cast<std::size_t>(bench::option(count, arguments, "--size", 64L)));
  const int socket = bench::check(::socket(AF_INET, SOCK_DGRAM, 0), "socket");
  const sockaddr_in address = bench::loopback(std::atoi(arguments[1]));
  bench::check(connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address),
               "connect");
  const std::int64_t began = bench::wall_nanoseconds();
  const std::int64_t end = began + static_cast<std::int64_t>(seconds * 1e9);
  long on_their_way = 0;
  long answers = 0;
  long lost = 0;
  while (bench::wall_nanoseconds() < end) {
    while (on_their_way < window) {
      const long sent = burst.send(socket, window - on_their_way);
      if (sent == 0) break;
      on_their_way += sent;
    }
    pollfd wait{socket, POLLIN, 0};
    if (poll(&wait, 1, 100) == 0) {
      lost += on_their_way;
      on_their_way = 0;
    }
    const long received = burst.receive(socket);
    answers += received;
    on_their_way = std::max(0L, on_their_way - received);
  }
  const double took = static_cast<double>(bench::wall_nanoseconds() - began) / 1e9;
  std::printf("{\"requests\": %ld, \"seconds\": %.3f, \"rate\": %.1f, \"lost\": %ld}\n", answers,
              took, static_cast<double>(answers) / took, lost);
}
