#pragma once

// A server for the client's tests: it says what the test tells it to.

#include <clearway/http/session.hpp>
#include <clearway/net/listener.hpp>
#include <clearway/net/stream.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/race.hpp>
#include <clearway/task/simulate.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/task_group.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace clearway::client_tests {

using namespace std::chrono_literals;
using clearway::sim::exhaust_cancellation;
using clearway::sim::Stage;

// What the server saw and shall do.
struct Peer {
  using Handler = std::function<Task<>(Peer&, Stream&)>;

  Peer() = default;
  explicit Peer(Handler handler) : handler(std::move(handler)) {}

  std::string url() const { return fmt::format("http://127.0.0.1:{}", port); }

  Handler handler;
  std::uint16_t port = 0;
  int connections = 0;
  std::vector<std::string> requests;
};

// A request with its body, if it has a Content-Length; "" at the end of the connection.
inline Task<std::string> read_request(Stream& stream) {
  std::string request;
  try {
    request = co_await stream.read_until("\r\n\r\n", 1 << 20);
  } catch (const NetError&) {
    co_return "";
  }
  const std::size_t at = request.find("Content-Length: ");
  if (at == std::string::npos) co_return request;
  std::size_t length = 0;
  std::from_chars(request.data() + at + 16, request.data() + request.size(), length);
  request += co_await stream.read_exactly(length);
  co_return request;
}

inline std::string answer(std::string_view body, std::string_view fields = "",
                          std::string_view status = "200 OK") {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), fields,
                     body);
}

// Answers every request on every connection with what `respond(request)` gives; "" closes.
inline Peer::Handler answering(std::function<std::string(const std::string&)> respond) {
  return [respond](Peer& peer, Stream& stream) -> Task<> {
    for (;;) {
      std::string request = co_await read_request(stream);
      if (request.empty()) co_return;
      peer.requests.push_back(request);
      std::string text = respond(request);
      if (text.empty()) co_return;
      co_await stream.write(std::move(text));
    }
  };
}

inline Task<> serve_one(Peer& peer, Stream stream) {
  try {
    co_await peer.handler(peer, stream);
  } catch (const NetError&) {
    co_return;  // the client went away, which is the client's test's business
  }
}

inline Task<> serve_all(Peer& peer, Listener& listener, TaskGroup& group) {
  for (;;) {
    Stream stream = co_await listener.accept();
    ++peer.connections;
    group.start(serve_one, std::ref(peer), std::move(stream));
  }
}

// Runs `client` against `peer`, then stops the peer.
inline Task<> with_peer(Peer& peer, std::function<Task<>()> client) {
  Listener listener = listen("127.0.0.1", 0);
  peer.port = listener.address().port();
  co_await task_group([&](TaskGroup& group) -> Task<> {
    group.start(serve_all, std::ref(peer), std::ref(listener), std::ref(group));
    co_await client();
    group.cancel();
  });
}

template <class T>
Task<std::string> message_of_frame(OwnedFrame<T> frame) {
  auto result = co_await as_result(Task<T>(std::move(frame)));
  co_return result.message();
}
// The message of the error that awaiting `task` throws.
template <Awaitable A>
auto message_of(A task) {
  return message_of_frame(clearway::detail::take_frame(task));
}

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace clearway::client_tests
