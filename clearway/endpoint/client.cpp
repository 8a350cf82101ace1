#include <clearway/endpoint/client.hpp>

#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/tls/error.hpp>
#include <clearway/tls/handshake.hpp>

namespace clearway {

using detail::EndpointArgument;
using detail::EndpointArguments;
using detail::EndpointDescription;

ClientEndpoint::ClientEndpoint(const std::string& text, const ConnectOptions& options)
    : options_(options) {
  const EndpointDescription description(text);
  const std::string& kind = description.kind();
  if (kind == "tcp") {
    read_tcp(description);
  } else if (kind == "unix") {
    read_unix(description);
  } else if (kind == "ssl") {
    read_ssl(description);
  } else if (kind == "tls") {
    read_tls(description);
  } else {
    description.refuse(1, fmt::format("\"{}\" is not a kind of client endpoint: there are "
                                      "tcp:HOST:PORT, tls:HOST:PORT, ssl:HOST:PORT and unix:PATH",
                                      kind));
  }
}

ClientEndpoint::ClientEndpoint(ClientEndpoint&& other) noexcept = default;
ClientEndpoint& ClientEndpoint::operator=(ClientEndpoint&& other) noexcept = default;
ClientEndpoint::~ClientEndpoint() = default;

void ClientEndpoint::read_common(const EndpointArguments& arguments) {
  host_ = arguments.require("host", "KIND:HOST:PORT").value;
  const EndpointArgument& port = arguments.require("port", "KIND:HOST:PORT");
  port_ = static_cast<std::uint16_t>(arguments.number(port, 1, 65'535, "a port, 1 to 65535"));
  if (const auto* limit = arguments.find("timeout")) options_.timeout = arguments.seconds(*limit);
  if (const auto* from = arguments.find("bindAddress")) {
    options_.local = arguments.address(*from, 0);
  }
}

void ClientEndpoint::read_tcp(const EndpointDescription& description) {
  read_common(EndpointArguments(description, {"host", "port", "timeout", "bindAddress"}));
}

void ClientEndpoint::read_unix(const EndpointDescription& description) {
  const EndpointArguments arguments(description, {"path", "timeout", "lockfile"});
  host_ = arguments.require("path", "unix:PATH").value;
  if (host_[0] == '\0') host_[0] = '@';
  unix_ = true;
  if (const auto* limit = arguments.find("timeout")) options_.timeout = arguments.seconds(*limit);
  if (const auto* lock = arguments.find("lockfile")) {
    static_cast<void>(arguments.number(*lock, 0, 1, "0 or 1"));
  }
}

void ClientEndpoint::use(const EndpointDescription& description, std::size_t column,
                         const TlsClientOptions& options) {
  if (options.identity.empty() && options.roots.empty() && options.server_name.empty()) {
    tls_ = TlsClientContext::standard();
    return;
  }
  try {
    tls_.emplace(options);
  } catch (const TlsError& error) {
    description.refuse(column, error.what());
  }
}

void ClientEndpoint::read_ssl(const EndpointDescription& description) {
  const EndpointArguments arguments(
      description, {"host", "port", "privateKey", "certKey", "caCertsDir", "hostname", "timeout",
                    "bindAddress"});
  read_common(arguments);
  const EndpointArgument* key = arguments.find_file("privateKey");
  const EndpointArgument* certificate = arguments.find_file("certKey");
  const EndpointArgument* roots = arguments.find_file("caCertsDir");
  TlsClientOptions options;
  options.server_name = arguments.text_or("hostname", "");
  options.roots.directory = arguments.text_or("caCertsDir", "");
  const EndpointArgument* chain = certificate != nullptr ? certificate : key;
  if (chain != nullptr) {
    options.identity = TlsIdentity(chain->value, key != nullptr ? key->value : chain->value);
  }
  const EndpointArgument* first = chain != nullptr ? chain : roots;
  use(description, first != nullptr ? first->column : 1, options);
}

void ClientEndpoint::read_tls(const EndpointDescription& description) {
  const EndpointArguments arguments(
      description, {"host", "port", "timeout", "bindAddress", "certificate", "privateKey",
                    "trustRoots", "endpoint"});
  read_common(arguments);
  const EndpointArgument* certificate = arguments.find_file("certificate");
  const EndpointArgument* key = arguments.find_file("privateKey");
  const EndpointArgument* roots = arguments.find_file("trustRoots");
  if (key != nullptr && certificate == nullptr) {
    arguments.refuse(*key, "a private key without a certificate=FILE");
  }
  TlsClientOptions options;
  options.roots.directory = arguments.text_or("trustRoots", "");
  if (certificate != nullptr) {
    options.identity =
        TlsIdentity(certificate->value, key != nullptr ? key->value : certificate->value);
  }
  const EndpointArgument* first = certificate != nullptr ? certificate : roots;
  use(description, first != nullptr ? first->column : 1, options);
  if (const EndpointArgument* carrier = arguments.find("endpoint")) {
    carrier_ = std::make_unique<ClientEndpoint>(carrier->value, options_);
    if (carrier_->tls_) {
      description.refuse(carrier->column,
                         "TLS inside TLS is not spoken: give a tcp or unix endpoint");
    }
  }
}

Task<Stream> ClientEndpoint::connect() const {
  if (unix_) co_return co_await connect_unix(host_, options_);
  if (carrier_ != nullptr) {
    Stream stream = co_await carrier_->connect();
    co_return co_await start_tls_client(std::move(stream), host_, *tls_);
  }
  if (tls_) co_return co_await tls_connect(host_, port_, *tls_, options_);
  co_return co_await clearway::connect(host_, port_, options_);
}

Task<Stream> connect_endpoint(std::string text, ConnectOptions options) {
  const ClientEndpoint endpoint(text, options);
  co_return co_await endpoint.connect();
}

}  // namespace clearway
