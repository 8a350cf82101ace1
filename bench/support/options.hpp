#pragma once
// "--name value" arguments.

#include <cstdlib>
#include <cstring>

namespace bench {

inline const char* option(int count, char** arguments, const char* name, const char* otherwise) {
  for (int i = 1; i + 1 < count; ++i) {
    if (std::strcmp(arguments[i], name) == 0) return arguments[i + 1];
  }
  return otherwise;
}

inline long option(int count, char** arguments, const char* name, long otherwise) {
  const char* text = option(count, arguments, name, nullptr);
  return text ? std::atol(text) : otherwise;
}

inline double option(int count, char** arguments, const char* name, double otherwise) {
  const char* text = option(count, arguments, name, nullptr);
  return text ? std::atof(text) : otherwise;
}

}  // namespace bench
