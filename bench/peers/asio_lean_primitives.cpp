// Boost.Asio without locks and with an executor whose type is known.

#define BOOST_ASIO_DISABLE_THREADS 1
#include <bench/peers/asio_primitives.hpp>

int main(int count, char** arguments) {
  return bench::asio_main<boost::asio::io_context::executor_type>(count, arguments);
}
