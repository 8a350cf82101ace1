// Boost.Asio's echo of datagrams, as a coroutine, without locks and with a known executor.

#define BOOST_ASIO_DISABLE_THREADS 1
#include <utility>  // which Boost 1.74 forgets

#include <boost/asio.hpp>
#include <cstdlib>

namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using Executor = asio::io_context::executor_type;
constexpr asio::use_awaitable_t<Executor> awaitable{};

asio::awaitable<void, Executor> echo(asio::io_context& context, int port) {
  const udp::endpoint here(asio::ip::address_v4::loopback(), static_cast<unsigned short>(port));
  asio::basic_datagram_socket<udp, Executor> socket(context.get_executor(), here);
  char memory[2048];
  for (;;) {
    udp::endpoint sender;
    const std::size_t size =
        co_await socket.async_receive_from(asio::buffer(memory), sender, awaitable);
    co_await socket.async_send_to(asio::buffer(memory, size), sender, awaitable);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  asio::io_context context(1);
  asio::co_spawn(context.get_executor(), echo(context, std::atoi(arguments[1])), asio::detached);
  context.run();
}
