#include <clearway/endpoint/inherited.hpp>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>
#include <unistd.h>
#include <clearway/net/error.hpp>

namespace clearway::detail {

namespace {

constexpr int first_passed = 3;  // SD_LISTEN_FDS_START

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

std::optional<long> number_in(const char* name) {
  const std::string_view text = environment(name);
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string> names_passed() {
  std::vector<std::string> names;
  std::string_view text = environment("LISTEN_FDNAMES");
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    names.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
}

}  // namespace

InheritedDescriptor passed_by_systemd(std::optional<std::size_t> index, const std::string& name) {
  InheritedDescriptor found;
  const auto process = number_in("LISTEN_PID");
  const auto count = number_in("LISTEN_FDS");
  if (!process || !count || *process != ::getpid() || *count < 1 || *count > 10'000) {
    found.problem =
        "systemd has passed no sockets to this process (LISTEN_PID and LISTEN_FDS do not say so): "
        "start it from a .socket unit";
    return found;
  }
  const auto total = static_cast<std::size_t>(*count);
  if (index) {
    if (*index >= total) {
      found.problem = fmt::format("there is no socket {}: systemd has passed {}, counted from 0",
                                  *index, total);
    } else {
      found.descriptor = first_passed + static_cast<int>(*index);
    }
    return found;
  }
  const std::vector<std::string> names = names_passed();
  if (names.size() != total) {
    found.problem = fmt::format("systemd has passed {} sockets and {} names (LISTEN_FDNAMES)",
                                total, names.size());
    return found;
  }
  for (std::size_t at = 0; at < total; ++at) {
    if (names[at] == name) {
      found.descriptor = first_passed + static_cast<int>(at);
      return found;
    }
  }
  found.problem = fmt::format("systemd has passed no socket named \"{}\"; there are {}", name,
                              fmt::join(names, ", "));
  return found;
}

std::string why_not_listening(int descriptor, int family) {
  const auto option = [&](int name, int& value) {
    socklen_t size = sizeof value;
    return ::getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0;
  };
  int type = 0;
  int domain = 0;
  int listening = 0;
  if (!option(SO_TYPE, type) || !option(SO_DOMAIN, domain) || !option(SO_ACCEPTCONN, listening)) {
    return fmt::format("descriptor {} cannot be listened on: {}", descriptor,
                       system_message(errno));
  }
  if (type != SOCK_STREAM || listening == 0) {
    return fmt::format("descriptor {} is a socket that does not listen for connections",
                       descriptor);
  }
  if (domain != family) {
    return fmt::format("the socket of descriptor {} is of another domain", descriptor);
  }
  return "";
}

Listener listen_inherited(int descriptor) {
  Driver& driver = Loop::current().driver();
  Address address;
  const Handle handle = driver.adopt_listener(descriptor, address);
  if (handle < 0) {
    throw NetError::from_code(NetPhase::listen,
                              fmt::format("cannot listen on descriptor {}", descriptor), -handle);
  }
  if (!address.is_unix()) driver.set_no_delay(handle, true);
  // It was passed to us, not to the programs that we start.
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  // The file of a Unix socket is whose it was: only its address is ours.
  return Listener::borrowed(handle, address);
}

std::optional<int> family_named(std::string_view name) {
  if (name == "INET") return AF_INET;
  if (name == "INET6") return AF_INET6;
  if (name == "UNIX") return AF_UNIX;
  return std::nullopt;
}

}  // namespace clearway::detail
