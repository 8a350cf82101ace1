// rabbitmq PORT COUNT [threads]: connects, declares a queue, publishes a message and takes it, then
// waits 0.3 s for one that does not come.

#include <memory>

#include <amqp.h>
#include <amqp_tcp_socket.h>

#include "harness.hpp"

namespace {

void require(amqp_connection_state_t connection, const char* what) {
  if (amqp_get_rpc_reply(connection).reply_type != AMQP_RESPONSE_NORMAL) libraries::fail(what);
}

int consume(amqp_connection_state_t connection, timeval limit) {
  amqp_envelope_t envelope;
  amqp_maybe_release_buffers(connection);
  const amqp_rpc_reply_t reply = amqp_consume_message(connection, &envelope, &limit, 0);
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) amqp_destroy_envelope(&envelope);
  return reply.reply_type == AMQP_RESPONSE_NORMAL ? 0 : reply.library_error;
}

void exchange(int port) {
  const auto destroy = [](amqp_connection_state_t_* state) { amqp_destroy_connection(state); };
  const std::unique_ptr<amqp_connection_state_t_, decltype(destroy)> owner(amqp_new_connection(),
                                                                           destroy);
  amqp_connection_state_t connection = owner.get();
  amqp_socket_t* const socket = amqp_tcp_socket_new(connection);
  if (amqp_socket_open(socket, "127.0.0.1", port) != 0) libraries::fail("amqp_socket_open");
  const amqp_rpc_reply_t login =
      amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest");
  if (login.reply_type != AMQP_RESPONSE_NORMAL) {
    libraries::fail(std::string("amqp_login: ") + amqp_error_string2(login.library_error));
  }
  amqp_channel_open(connection, 1);
  require(connection, "amqp_channel_open");
  const amqp_queue_declare_ok_t* const queue =
      amqp_queue_declare(connection, 1, amqp_empty_bytes, 0, 0, 1, 1, amqp_empty_table);
  require(connection, "amqp_queue_declare");
  const amqp_bytes_t name = amqp_bytes_malloc_dup(queue->queue);
  amqp_basic_publish(connection, 1, amqp_empty_bytes, name, 0, 0, nullptr,
                     amqp_cstring_bytes("hello"));
  amqp_basic_consume(connection, 1, name, amqp_empty_bytes, 0, 1, 0, amqp_empty_table);
  amqp_bytes_free(name);
  require(connection, "amqp_basic_consume");
  if (consume(connection, {.tv_sec = 20, .tv_usec = 0}) != 0) libraries::fail("no message came");
  if (consume(connection, {.tv_sec = 0, .tv_usec = 300'000}) != AMQP_STATUS_TIMEOUT) {
    libraries::fail("the timeout did not end the call");
  }
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 1;
  const int port = std::atoi(argv[1]);
  return libraries::run_calls(argv + 2, [&](int) { exchange(port); });
}
