#include <clearway/endpoint/server.hpp>

#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/endpoint/inherited.hpp>
#include <clearway/net/error.hpp>
#include <clearway/task/timeout.hpp>
#include <clearway/tls/error.hpp>
#include <clearway/tls/handshake.hpp>

namespace clearway {

namespace {

using detail::EndpointArgument;
using detail::EndpointArguments;
using detail::EndpointDescription;

constexpr std::string_view kinds =
    "there are tcp:PORT, tcp6:PORT, unix:PATH, ssl:PORT:privateKey=FILE:certKey=FILE, tls:FOLDER, "
    "systemd:domain=INET:index=0, fd:fileno=N:domain=INET and haproxy:ENDPOINT";

ListenOptions listen_options(const EndpointArguments& arguments, const EndpointOptions& options) {
  ListenOptions how = options.listen;
  if (const EndpointArgument* backlog = arguments.find("backlog")) {
    how.backlog = static_cast<int>(
        arguments.number(*backlog, 1, 1'000'000, "a number of waiting connections"));
  }
  return how;
}

Listener listen_on(const EndpointArguments& arguments, const EndpointArgument* port,
                   std::uint16_t otherwise, std::string_view everywhere,
                   const EndpointOptions& options) {
  const std::uint16_t number = port != nullptr ? arguments.port(*port) : otherwise;
  const EndpointArgument* interface = arguments.find("interface");
  const Address address = interface != nullptr && !interface->value.empty()
                              ? arguments.address(*interface, number)
                              : *Address::ip(everywhere, number);
  return listen(address, listen_options(arguments, options));
}

// TLS with these options; what is wrong with a file is shown at the argument that names it.
TlsServerContext make_context(const EndpointArguments& arguments, const TlsServerOptions& options,
                              std::initializer_list<const EndpointArgument*> files) {
  try {
    return TlsServerContext(options);
  } catch (const TlsError& error) {
    const std::string_view reason = error.what();
    const EndpointArgument* culprit = *files.begin();
    for (const EndpointArgument* file : files) {
      if (file != nullptr && reason.find(file->value) != std::string_view::npos) culprit = file;
    }
    arguments.refuse(*culprit, reason);
  }
}

void ask_clients(const EndpointArguments& arguments, TlsServerOptions& options) {
  const EndpointArgument* roots = arguments.find_file("clientCA");
  if (roots == nullptr) return;
  options.client_certificates = ClientCertificates::required;
  options.client_roots.file = roots->value;
}

ServerEndpoint open_tcp(const EndpointDescription& description, const EndpointOptions& options) {
  const EndpointArguments arguments(description, {"port", "interface", "backlog"});
  const EndpointArgument& port = arguments.require("port", "tcp:PORT");
  return ServerEndpoint(listen_on(arguments, &port, 0, "0.0.0.0", options));
}

ServerEndpoint open_tcp6(const EndpointDescription& description, const EndpointOptions& options) {
  const EndpointArguments arguments(description, {"port", "backlog", "interface"});
  const EndpointArgument& port = arguments.require("port", "tcp6:PORT");
  return ServerEndpoint(listen_on(arguments, &port, 0, "::", options));
}

void check_method(const EndpointArguments& arguments) {
  const EndpointArgument* method = arguments.find("sslmethod");
  if (method == nullptr || method->value == "TLS_METHOD" || method->value == "SSLv23_METHOD" ||
      method->value == "TLSv1_2_METHOD") {
    return;
  }
  arguments.refuse(*method, fmt::format("\"{}\" is not spoken: leave it out, for TLS 1.2 and 1.3",
                                        method->value));
}

ServerEndpoint open_ssl(const EndpointDescription& description, const EndpointOptions& options) {
  const EndpointArguments arguments(
      description, {"port", "privateKey", "certKey", "sslmethod", "interface", "backlog",
                    "extraCertChain", "clientCA"});
  const EndpointArgument& port = arguments.require("port", "ssl:PORT:privateKey=FILE");
  const EndpointArgument& key =
      arguments.require("privateKey", "privateKey=FILE, and certKey=FILE for the certificate");
  const EndpointArgument* certificate = arguments.find_file("certKey");
  const EndpointArgument* chain = arguments.find_file("extraCertChain");
  check_method(arguments);
  TlsServerOptions tls;
  tls.identity = TlsIdentity(certificate != nullptr ? certificate->value : key.value, key.value);
  if (chain != nullptr) tls.identity.chain_file = chain->value;
  tls.alpn = options.alpn;
  ask_clients(arguments, tls);
  const TlsServerContext context = make_context(
      arguments, tls,
      {certificate != nullptr ? certificate : &key, &key, chain, arguments.find_file("clientCA")});
  ServerEndpoint endpoint(listen_on(arguments, &port, 0, "0.0.0.0", options));
  endpoint.tls = context;
  return endpoint;
}

ServerEndpoint open_tls(const EndpointDescription& description, const EndpointOptions& options) {
  const EndpointArguments arguments(description,
                                    {"path", "port", "backlog", "interface", "clientCA"});
  const EndpointArgument& folder = arguments.require("path", "tls:FOLDER");
  TlsServerOptions tls;
  tls.directory = folder.value;
  tls.alpn = options.alpn;
  ask_clients(arguments, tls);
  const TlsServerContext context =
      make_context(arguments, tls, {&folder, arguments.find_file("clientCA")});
  constexpr std::uint16_t https = 443;
  ServerEndpoint endpoint(listen_on(arguments, arguments.find("port"), https, "::", options));
  endpoint.tls = context;
  return endpoint;
}

ServerEndpoint open_unix(const EndpointDescription& description, const EndpointOptions& options) {
  const EndpointArguments arguments(description, {"address", "mode", "backlog", "lockfile"});
  const EndpointArgument& path = arguments.require("address", "unix:PATH");
  const EndpointArgument* mode = arguments.find("mode");
  if (const EndpointArgument* lock = arguments.find("lockfile")) {
    static_cast<void>(arguments.number(*lock, 0, 1, "0 or 1"));
  }
  ListenOptions how = listen_options(arguments, options);
  if (mode != nullptr) {
    how.mode = static_cast<unsigned>(arguments.number(*mode, 0, 0777, "a mode, as 660 is", 8));
  }
  std::string name = path.value;
  if (name[0] == '\0') name[0] = '@';
  return ServerEndpoint(listen_unix(name, how));
}

int family_of(const EndpointArguments& arguments, std::string_view advice) {
  const EndpointArgument& domain = arguments.require("domain", advice);
  if (const auto family = detail::family_named(domain.value)) return *family;
  arguments.refuse(
      domain, fmt::format("\"{}\" is not a domain: there are INET, INET6 and UNIX", domain.value));
}

ServerEndpoint adopt(const EndpointArguments& arguments, const EndpointArgument& where,
                     int descriptor, int family) {
  const std::string problem = detail::why_not_listening(descriptor, family);
  if (!problem.empty()) arguments.refuse(where, problem);
  return ServerEndpoint(detail::listen_inherited(descriptor));
}

ServerEndpoint open_systemd(const EndpointDescription& description) {
  const EndpointArguments arguments(description, {"domain", "index", "name"});
  const int family = family_of(arguments, "systemd:domain=INET:index=0");
  const EndpointArgument* index = arguments.find("index");
  const EndpointArgument* name = arguments.find("name");
  if ((index == nullptr) == (name == nullptr)) {
    description.refuse(description.end(), "give either index=NUMBER or name=NAME");
  }
  std::optional<std::size_t> number;
  if (index != nullptr) number = arguments.number(*index, 0, 10'000, "the number of a socket");
  const auto passed =
      detail::passed_by_systemd(number, name != nullptr ? name->value : std::string());
  const EndpointArgument& where = index != nullptr ? *index : *name;
  if (passed.descriptor < 0) arguments.refuse(where, passed.problem);
  return adopt(arguments, where, passed.descriptor, family);
}

ServerEndpoint open_descriptor(const EndpointDescription& description) {
  const EndpointArguments arguments(description, {"fileno", "domain"});
  const EndpointArgument& number = arguments.require("fileno", "fd:fileno=NUMBER:domain=INET");
  const int family = family_of(arguments, "fd:fileno=NUMBER:domain=INET");
  return adopt(arguments, number,
               static_cast<int>(arguments.number(number, 0, 1'000'000, "a descriptor")), family);
}

ServerEndpoint open(const EndpointDescription& description, const EndpointOptions& options);

ServerEndpoint open_behind_proxy(const EndpointDescription& description,
                                 const EndpointOptions& options) {
  TrustedProxies proxies;
  std::size_t own = 0;
  if (!description.arguments().empty()) {
    const EndpointArgument& first = description.arguments().front();
    if (first.name && *first.name == "proxies") {
      own = 1;
      if (first.value.empty()) description.refuse(first.column, "no proxies are named");
      try {
        proxies = TrustedProxies(first.value);
      } catch (const UsageError& error) {
        description.refuse(first.column, error.what());
      }
    }
  }
  ServerEndpoint endpoint = open(description.inner(own), options);
  if (endpoint.proxies) description.refuse(1, "one PROXY header is enough");
  endpoint.proxies = std::move(proxies);
  return endpoint;
}

ServerEndpoint open(const EndpointDescription& description, const EndpointOptions& options) {
  const std::string& kind = description.kind();
  if (kind == "tcp") return open_tcp(description, options);
  if (kind == "tcp6") return open_tcp6(description, options);
  if (kind == "unix") return open_unix(description, options);
  if (kind == "ssl") return open_ssl(description, options);
  if (kind == "tls") return open_tls(description, options);
  if (kind == "systemd") return open_systemd(description);
  if (kind == "fd") return open_descriptor(description);
  if (kind == "haproxy") return open_behind_proxy(description, options);
  if (kind == "stdio") {
    description.refuse(1,
                       "standard input and output are one connection, and nothing listens there: "
                       "pipe_stream(Descriptor(0), Descriptor(1), \"stdio\") gives it as a stream");
  }
  description.refuse(1, fmt::format("\"{}\" is not a kind of server endpoint: {}", kind, kinds));
}

// Reads the header; gives the stream as the client's.
Task<Stream> take_proxy_header(Stream stream) {
  for (;;) {
    const ProxyHeader header = parse_proxy_header(stream.buffered());
    if (header.state == ProxyHeader::State::invalid) {
      throw NetError(NetPhase::handshake,
                     fmt::format("{} does not begin with a header of the PROXY protocol: {}",
                                 stream.peer().to_string(), header.problem),
                     EPROTO);
    }
    if (header.state == ProxyHeader::State::complete) {
      stream.consume(header.size);
      if (!header.source) co_return std::move(stream);
      ReadBuffer rest = stream.take_buffer();
      Stream named(stream.release(), *header.source);
      named.give_buffer(std::move(rest));
      co_return std::move(named);
    }
    const std::size_t count = co_await stream.fill();
    if (count == 0) {
      throw NetError(NetPhase::handshake,
                     fmt::format("{} ended before its header of the PROXY protocol did",
                                 stream.peer().to_string()),
                     ECONNRESET);
    }
  }
}

}  // namespace

ServerEndpoint listen_endpoint(const std::string& text, const EndpointOptions& options) {
  return open(EndpointDescription(text), options);
}

Task<Stream> ServerEndpoint::welcome(Stream stream) const {
  if (proxies) {
    if (!proxies->trusts(stream.peer())) {
      throw NetError(NetPhase::handshake,
                     fmt::format("{} is none of the proxies whose word counts here",
                                 stream.peer().to_string()),
                     EACCES);
    }
    const Address peer = stream.peer();
    try {
      stream = co_await timeout(std::chrono::seconds(5), take_proxy_header(std::move(stream)));
    } catch (const TimedOut&) {
      throw NetError(
          NetPhase::handshake,
          fmt::format("{} sent no header of the PROXY protocol within 5 s", peer.to_string()),
          ETIMEDOUT);
    }
  }
  if (tls) stream = co_await start_tls_server(std::move(stream), *tls);
  co_return std::move(stream);
}

}  // namespace clearway
