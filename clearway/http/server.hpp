#pragma once

// A server that is seen from outside: which port it has, how many connections, and its end.

#include <cstddef>
#include <memory>
#include <string>

#include <clearway/http/app.hpp>
#include <clearway/http/server_options.hpp>
#include <clearway/net/listener.hpp>
#include <clearway/task/task.hpp>

namespace clearway {
struct ServerEndpoint;
}

namespace clearway::http {

namespace detail {
class ServerCore;
}

//   http::Server server(app, listen("127.0.0.1", 0));
//   group.start([&] { return server.run(); });
//   ... server.address().port() ...
//   server.stop();
//
// Of the loop on which it is made. `app` outlives it, and it outlives run().
class Server {
 public:
  // Throws UsageError for a listener that is closed.
  Server(App& app, Listener listener, const ServerOptions& options = {});
  // Listens at `endpoint`; see serve().
  Server(App& app, const std::string& endpoint, const ServerOptions& options = {});
  Server(App& app, ServerEndpoint endpoint, const ServerOptions& options = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Serves until stop() is called; once. Cancelling it does what stop() does, and ends in Cancelled
  // when that is done. Throws NetError when accepting fails for good.
  Task<> run();
  // Drains: listens no more, so that another server may, closes idle connections, answers the
  // requests of which something has come, with "Connection: close", and cancels what has not ended
  // after the drain_timeout. run() then ends.
  void stop() noexcept;

  [[nodiscard]] const Address& address() const noexcept;
  [[nodiscard]] std::size_t connections() const noexcept;

 private:
  std::unique_ptr<detail::ServerCore> core_;
};

// Serves `app` until it is cancelled (as Ctrl-C and SIGTERM do under run_main), then drains; see
// Server. `endpoint` is where:
//   "tcp:8080"                        every IPv4 address of the machine
//   "tcp:8080:interface=127.0.0.1"    one address
//   "tcp6:8080"                       IPv6
//   "unix:/run/app.sock"              a Unix socket
//   "ssl:4443:privateKey=key.pem:certKey=cert.pem"   as tcp, with TLS
//   "tls:/etc/certificates"           a folder of certificates for many names, port 443
//   "systemd:domain=INET:index=0"     a socket that systemd has opened
//   "haproxy:tcp:8080"                behind a balancer that says who the client is
// and more: see listen_endpoint() in clearway/endpoint/server.hpp.
// Throws UsageError, which shows the column, for anything else, and NetError when it cannot listen.
Task<> serve(App& app, std::string endpoint, ServerOptions options = {});
Task<> serve(App& app, Listener listener, ServerOptions options = {});

}  // namespace clearway::http
