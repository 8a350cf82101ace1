// Descriptions of endpoints: any text is read or refused, and a quoted argument is itself again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <clearway/base/error.hpp>
#include <clearway/endpoint/description.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const clearway::detail::EndpointDescription description(text);
    for (const auto& argument : description.arguments()) {
      if (argument.column == 0 || argument.column > description.end()) std::abort();
    }
  } catch (const clearway::UsageError&) {
  }
  const clearway::detail::EndpointDescription quoted("a:" + clearway::quote_endpoint(text));
  if (quoted.arguments().size() != 1 || quoted.arguments().front().value != text) std::abort();
  return 0;
}
