// Boost.Asio as it comes: awaitable<T> on any_io_executor.

#include <bench/peers/asio_primitives.hpp>

int main(int count, char** arguments) {
  return bench::asio_main<boost::asio::any_io_executor>(count, arguments);
}
