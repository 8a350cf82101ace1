#pragma once

#include <string>

namespace clearway::detail {

// `host` as DNS knows it: international names in UTF-8 become their ASCII form (IDNA 2008, RFC
// 5891, with the mapping of UTS 46), ASCII stays as it is. Empty when that is not possible, with
// the reason in `problem`.
std::string idna_to_ascii(const std::string& host, std::string& problem);

}  // namespace clearway::detail
