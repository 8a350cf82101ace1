// The header of the PROXY protocol: it is never read beyond its end, and whatever comes after it,
// or has not come yet, does not change what it says.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <clearway/endpoint/proxy_header.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using clearway::ProxyHeader;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ProxyHeader whole = clearway::parse_proxy_header(bytes);
  if (whole.state == ProxyHeader::State::incomplete) {
    if (size >= clearway::most_proxy_header) std::abort();
    return 0;
  }
  for (std::size_t part = 0; part <= size; ++part) {
    const ProxyHeader some = clearway::parse_proxy_header(bytes.substr(0, part));
    if (some.state == ProxyHeader::State::incomplete) continue;
    if (some.state != whole.state || some.size != whole.size) std::abort();
    if (some.source.has_value() != whole.source.has_value()) std::abort();
    if (some.source && !(*some.source == *whole.source)) std::abort();
    break;
  }
  return 0;
}
