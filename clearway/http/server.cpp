#include <clearway/http/server.hpp>

#include <clearway/base/error.hpp>
#include <clearway/http/endpoint.hpp>
#include <clearway/http/server_core.hpp>
#include <clearway/http/server_exchange.hpp>

namespace clearway::http {

Server::Server(App& app, Listener listener, const ServerOptions& options)
    : core_(std::make_unique<detail::ServerCore>(app, std::move(listener), options)) {}

Server::Server(App& app, const std::string& endpoint, const ServerOptions& options) {
  detail::Place place = detail::open_place(endpoint, options);
  ServerOptions all = options;
  if (place.tls) all.tls = &*place.tls;
  core_ = std::make_unique<detail::ServerCore>(app, std::move(place.listener), all);
}

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
