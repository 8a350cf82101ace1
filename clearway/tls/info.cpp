#include <clearway/tls/info.hpp>

#include <fmt/format.h>
#include <clearway/tls/transport.hpp>

namespace clearway {

bool is_tls(const Stream& stream) noexcept {
  return dynamic_cast<const detail::TlsTransport*>(stream.transport()) != nullptr;
}

TlsInfo tls_info(const Stream& stream) {
  auto* transport = dynamic_cast<detail::TlsTransport*>(stream.transport());
  if (transport == nullptr) {
    throw UsageError(fmt::format("the stream to {} does not speak TLS", stream.peer().to_string()));
  }
  return transport->engine().info();
}

}  // namespace clearway
