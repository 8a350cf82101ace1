#pragma once

#include <optional>
#include <string>

#include <clearway/http/server_options.hpp>
#include <clearway/net/listener.hpp>
#include <clearway/tls/context.hpp>

namespace clearway::http::detail {

// Where a server is, and how it presents itself there.
struct Place {
  explicit Place(Listener listener) : listener(std::move(listener)) {}
  Listener listener;
  std::optional<TlsServerContext> tls;
};

// Listens where the endpoint string says.
Place open_place(const std::string& text, const ServerOptions& options);

}  // namespace clearway::http::detail
