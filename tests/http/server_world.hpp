#pragma once

// A server and raw clients in one simulated world.

#include <functional>
#include <string>

#include <clearway/clearway.hpp>
#include <clearway/http.hpp>
#include <clearway/task/simulate.hpp>

namespace clearway::http {

// Connects, sends `request`, and gives all that comes until the server closes.
inline Task<std::string> exchange(Address address, std::string request) {
  Stream stream = co_await connect(address);
  co_await stream.write(std::move(request));
  std::string answer = co_await stream.read_all(16 * 1024 * 1024);
  co_return answer;
}

// Runs `client(server)` beside a server of `app`, then stops the server.
inline Task<> with_server(App& app, ServerOptions options, std::function<Task<>(Server&)> client) {
  Server server(app, listen("127.0.0.1", 0), options);
  co_await task_group([&](TaskGroup& group) -> Task<> {
    group.start([&] { return server.run(); });
    co_await client(server);
    server.stop();
  });
}

// The request that closes the connection after its answer.
inline std::string closing_get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
}

// The answer without its Date line.
inline std::string without_date(std::string answer) {
  for (std::size_t at = answer.find("Date: "); at != std::string::npos;
       at = answer.find("Date: ")) {
    answer.erase(at, answer.find("\r\n", at) + 2 - at);
  }
  return answer;
}

}  // namespace clearway::http
