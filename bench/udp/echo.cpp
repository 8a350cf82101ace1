// Sends datagrams back to where they came from: udp_echo PORT [many].

#include <cstdlib>

#include <clearway/clearway.hpp>

using namespace clearway;

namespace {

Task<> echo(std::uint16_t port) {
  UdpSocket socket = bind_udp("127.0.0.1", port);
  char memory[2048];
  for (;;) {
    const DatagramSize datagram = co_await socket.receive_into(memory);
    co_await socket.send_view_to(std::string_view(memory, datagram.stored), datagram.from);
  }
}

Task<> echo_many(std::uint16_t port) {
  UdpSocket socket = bind_udp("127.0.0.1", port);
  for (;;) {
    const std::vector<Datagram> questions = co_await socket.receive_many();
    std::vector<OutgoingDatagram> answers;
    answers.reserve(questions.size());
    for (const Datagram& question : questions) {
      answers.push_back({.data = question.data, .target = question.from});
    }
    co_await socket.send_many(std::move(answers));
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  const auto port = static_cast<std::uint16_t>(std::atoi(arguments[1]));
  return count > 2 ? run_main(echo_many(port)) : run_main(echo(port));
}
