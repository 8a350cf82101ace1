#include <clearway/net/idna.hpp>

#include <algorithm>

#include <idn2.h>

namespace clearway::detail {

std::string idna_to_ascii(const std::string& host, std::string& problem) {
  if (std::all_of(host.begin(), host.end(), [](char c) { return (c & 0x80) == 0; })) return host;
  char* ascii = nullptr;
  const int status =
      ::idn2_to_ascii_8z(host.c_str(), &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (status != IDN2_OK) {
    problem = ::idn2_strerror(status);
    return {};
  }
  std::string name = ascii;
  ::idn2_free(ascii);
  if (name.empty()) problem = "nothing is left of it";
  return name;
}

}  // namespace clearway::detail
