#include <clearway/http/server.hpp>

#include <clearway/base/error.hpp>
#include <clearway/endpoint/server.hpp>
#include <clearway/http/server_core.hpp>
#include <clearway/http/server_exchange.hpp>

namespace clearway::http {

namespace {

EndpointOptions endpoint_options(const ServerOptions& options) {
  EndpointOptions how;
  how.listen.backlog = options.backlog;
  how.listen.reuse_port = options.reuse_port;
  how.alpn = {"http/1.1", "http/1.0"};
  return how;
}

}  // namespace

Server::Server(App& app, Listener listener, const ServerOptions& options)
    : core_(std::make_unique<detail::ServerCore>(app, std::move(listener), options)) {}

Server::Server(App& app, ServerEndpoint endpoint, const ServerOptions& options) {
  ServerOptions all = options;
  if (endpoint.tls) all.tls = &*endpoint.tls;
  if (endpoint.proxies) all.proxies = &*endpoint.proxies;
  core_ = std::make_unique<detail::ServerCore>(app, std::move(endpoint.listener), all);
}

Server::Server(App& app, const std::string& endpoint, const ServerOptions& options)
    : Server(app, listen_endpoint(endpoint, endpoint_options(options)), options) {}

Server::~Server() = default;

Task<> Server::run() {
  if (core_->started()) throw UsageError("a server runs once: make another one");
  co_await core_->serving();
}

void Server::stop() noexcept { core_->stop(); }

const Address& Server::address() const noexcept { return core_->address(); }

std::size_t Server::connections() const noexcept { return core_->connections(); }

Task<> serve(App& app, std::string endpoint, ServerOptions options) {
  Server server(app, endpoint, options);
  co_await server.run();
}

Task<> serve(App& app, Listener listener, ServerOptions options) {
  Server server(app, std::move(listener), options);
  co_await server.run();
}

}  // namespace clearway::http
