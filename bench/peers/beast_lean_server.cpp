// Boost.Beast with everything left out that it lets one leave out: a plain socket, no deadlines, no
// locks, and an executor whose type is known.

#define BOOST_ASIO_DISABLE_THREADS 1
#include <bench/peers/beast_server.hpp>

using namespace bench;

namespace {

using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;
using Nothing = asio::awaitable<void, Executor>;
constexpr asio::use_awaitable_t<Executor> awaitable{};

Nothing session(Socket socket) {
  beast::flat_buffer buffer;
  for (;;) {
    http::request<http::string_body> request;
    try {
      co_await http::async_read(socket, buffer, request, awaitable);
      auto response = hello(request);
      co_await http::async_write(socket, response, awaitable);
    } catch (const std::exception&) {
      co_return;  // the client left
    }
  }
}

Nothing listen(asio::io_context& context, int port) {
  const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), static_cast<unsigned short>(port));
  Acceptor acceptor(context.get_executor(), endpoint);
  for (;;) {
    Socket socket(context.get_executor());
    co_await acceptor.async_accept(socket, awaitable);
    socket.set_option(tcp::no_delay(true));
    asio::co_spawn(context.get_executor(), session(std::move(socket)), asio::detached);
  }
}

}  // namespace

int main(int count, char** arguments) {
  asio::io_context context(1);
  asio::co_spawn(context.get_executor(), listen(context, port_argument(count, arguments)),
                 asio::detached);
  context.run();
}
