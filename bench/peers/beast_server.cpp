// Boost.Beast as its own example "http/server/awaitable" uses it: a tcp_stream with a deadline of
// 30 s per request, on the default executor.

#include <bench/peers/beast_server.hpp>
#include <chrono>

using namespace bench;

namespace {

asio::awaitable<void> session(tcp::socket socket) {
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer;
  for (;;) {
    stream.expires_after(std::chrono::seconds(30));
    http::request<http::string_body> request;
    try {
      co_await http::async_read(stream, buffer, request, asio::use_awaitable);
      auto response = hello(request);
      co_await http::async_write(stream, response, asio::use_awaitable);
    } catch (const std::exception&) {
      co_return;  // the client left
    }
  }
}

asio::awaitable<void> listen(int port) {
  const auto executor = co_await asio::this_coro::executor;
  const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), static_cast<unsigned short>(port));
  tcp::acceptor acceptor(executor, endpoint);
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    socket.set_option(tcp::no_delay(true));
    asio::co_spawn(executor, session(std::move(socket)), asio::detached);
  }
}

}  // namespace

int main(int count, char** arguments) {
  asio::io_context context(1);
  asio::co_spawn(context, listen(port_argument(count, arguments)), asio::detached);
  context.run();
}
