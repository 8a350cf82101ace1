#include <clearway/base/error.hpp>

#include <cstring>

namespace clearway {

Error::Error(const std::string& message) : std::runtime_error(message) {}
Error::~Error() = default;
SystemError::~SystemError() = default;
UsageError::~UsageError() = default;
TimedOut::~TimedOut() = default;

SystemError::SystemError(std::string_view what, int code)
    : Error(std::string(what) + ": " + system_message(code)), code_(code) {}

std::string describe(const std::exception_ptr& error) {
  if (!error) return "no error";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {  // whatever was thrown, the report must not throw
    return "an exception that is not a std::exception";
  }
}

std::string system_message(int code) {
  // Not std::generic_category(): UBSan takes libstdc++'s object for one of another type.
  const char* text = ::strerrordesc_np(code);
  return text == nullptr ? "error " + std::to_string(code) : text;
}

}  // namespace clearway
