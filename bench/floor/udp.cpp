// The floor for datagrams: floor_udp PORT [BATCH]. Sends back what comes, with one system call for
// each datagram and way, or with recvmmsg() and sendmmsg() for up to BATCH of them.

#include <bench/support/socket.hpp>
#include <vector>

namespace {

constexpr std::size_t longest = 2048;

void echo_one_by_one(int socket) {
  char data[longest];
  for (;;) {
    sockaddr_in sender{};
    socklen_t size = sizeof sender;
    auto* const address = reinterpret_cast<sockaddr*>(&sender);
    const ssize_t count = recvfrom(socket, data, sizeof data, 0, address, &size);
    if (count < 0) return;
    sendto(socket, data, static_cast<std::size_t>(count), 0, address, size);
  }
}

class Batches {
 public:
  Batches(int socket, std::size_t most)
      : socket_(socket), memory_(most * longest), senders_(most), pieces_(most), messages_(most) {}

  void echo() {
    for (;;) {
      for (std::size_t i = 0; i < messages_.size(); ++i) {
        pieces_[i] = {memory_.data() + i * longest, longest};
        messages_[i].msg_hdr = {};
        messages_[i].msg_hdr.msg_name = &senders_[i];
        messages_[i].msg_hdr.msg_namelen = sizeof senders_[i];
        messages_[i].msg_hdr.msg_iov = &pieces_[i];
        messages_[i].msg_hdr.msg_iovlen = 1;
      }
      const auto most = static_cast<unsigned>(messages_.size());
      const int count = recvmmsg(socket_, messages_.data(), most, 0, nullptr);
      if (count <= 0) return;
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        pieces_[i].iov_len = messages_[i].msg_len;
      }
      sendmmsg(socket_, messages_.data(), static_cast<unsigned>(count), 0);
      if (static_cast<unsigned>(count) < most) return;
    }
  }

 private:
  int socket_;
  std::vector<char> memory_;
  std::vector<sockaddr_in> senders_;
  std::vector<iovec> pieces_;
  std::vector<mmsghdr> messages_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  const int socket = bench::check(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), "socket");
  const sockaddr_in address = bench::loopback(std::atoi(arguments[1]));
  bench::check(bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  const int poll = bench::check(epoll_create1(0), "epoll_create1");
  bench::watch(poll, socket, EPOLLIN, 0);
  Batches batches(socket, count > 2 ? static_cast<std::size_t>(std::atoi(arguments[2])) : 1);
  for (;;) {
    epoll_event event{};
    if (epoll_wait(poll, &event, 1, -1) < 1) continue;
    if (count > 2) {
      batches.echo();
    } else {
      echo_one_by_one(socket);
    }
  }
}
