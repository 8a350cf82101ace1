// getaddrinfo, getnameinfo, gethostby*: in a thread, which is left behind when the fiber is
// cancelled.

#include <cstring>
#include <optional>
#include <string>

#include <arpa/inet.h>
#include <netdb.h>
#include <clearway/fiber_hooks/offload.hpp>
#include <clearway/fiber_hooks/real.hpp>
#include <clearway/fiber_hooks/self_test.hpp>

namespace clearway::hooks {
namespace {

std::optional<std::string> copy(const char* text) {
  return text == nullptr ? std::nullopt : std::optional<std::string>(text);
}
const char* text_of(const std::optional<std::string>& text) noexcept {
  return text ? text->c_str() : nullptr;
}

// A number asks nobody.
bool is_number(const char* name) noexcept {
  in6_addr address{};
  return name == nullptr || ::inet_pton(AF_INET, name, &address) == 1 ||
         ::inet_pton(AF_INET6, name, &address) == 1;
}

class Lookup {
 public:
  Lookup(const char* name, const char* service, const addrinfo* hints)
      : name_(copy(name)), service_(copy(service)) {
    if (hints != nullptr) hints_ = *hints;
  }
  Lookup(Lookup&& other) noexcept = default;
  Lookup& operator=(Lookup&&) = delete;
  ~Lookup() {
    if (found != nullptr) ::freeaddrinfo(found);
  }
  void operator()() noexcept {
    status =
        real_getaddrinfo(text_of(name_), text_of(service_), hints_ ? &*hints_ : nullptr, &found);
  }
  int status = 0;
  addrinfo* found = nullptr;

 private:
  std::optional<std::string> name_;
  std::optional<std::string> service_;
  std::optional<addrinfo> hints_;
};

int look_up(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  int error = 0;
  try {
    const auto job = call_in_thread(Lookup(name, service, hints), true, error);
    if (job != nullptr) {
      *found = std::exchange(job->state.found, nullptr);
      return job->state.status;
    }
  } catch (const std::bad_alloc&) {
    error = ENOMEM;
  }
  if (error == EAGAIN) return real_getaddrinfo(name, service, hints, found);
  if (error == ENOMEM) return EAI_MEMORY;
  errno = error;
  return EAI_SYSTEM;
}

// gethostbyname_r() and its relatives: `make` is the call, with everything copied into it except
// the places of the results, which are the thread's own until it has finished.
struct HostCall {
  std::string name;  // or the address
  int family = 0;    // 0: gethostbyname_r
  bool by_address = false;

  int operator()(hostent* entry, char* buffer, std::size_t size, hostent** result,
                 int* problem) const {
    if (by_address) {
      return real_gethostbyaddr_r(name.data(), static_cast<socklen_t>(name.size()), family, entry,
                                  buffer, size, result, problem);
    }
    if (family != 0) {
      return real_gethostbyname2_r(name.c_str(), family, entry, buffer, size, result, problem);
    }
    return real_gethostbyname_r(name.c_str(), entry, buffer, size, result, problem);
  }
};

// The results are pointers into the caller's buffer, so the thread is waited for.
int host_call_r(HostCall call, hostent* entry, char* buffer, std::size_t size, hostent** result,
                int* problem) {
  int error = 0;
  int status = 0;
  const auto make = [&, call] { status = call(entry, buffer, size, result, problem); };
  if (call_in_thread(make, false, error) != nullptr) return status;
  if (error == EAGAIN) return call(entry, buffer, size, result, problem);
  *result = nullptr;
  *problem = NO_RECOVERY;
  return error;
}

// Those without a buffer: in memory that is the fiber's until its next such call.
hostent* host_call(const HostCall& call) {
  constexpr std::size_t most = 1024 * 1024;
  for (std::size_t room = 8192; room <= most; room *= 2) {
    auto* const memory = static_cast<char*>(host().storage(sizeof(hostent) + room));
    if (memory == nullptr) break;
    auto* const entry = reinterpret_cast<hostent*>(memory);
    hostent* result = nullptr;
    int problem = 0;
    const int status = host_call_r(call, entry, memory + sizeof(hostent), room, &result, &problem);
    if (status == ERANGE) continue;
    if (status != 0) errno = status;
    h_errno = problem;
    return result;
  }
  h_errno = NO_RECOVERY;
  return nullptr;
}

// True: the call is the fiber's.
bool is_for_fiber(const char* call, const void* caller) {
  const FiberHost::Place where = place();
  if (where == FiberHost::in_task) host().blocks(call, caller);
  return where == FiberHost::on_fiber;
}

}  // namespace
}  // namespace clearway::hooks

const char clearway::hooks::names_part = 0;

using namespace clearway;
using namespace clearway::hooks;

CLEARWAY_HOOK int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                              addrinfo** found) {
  const bool numeric = hints != nullptr && (hints->ai_flags & AI_NUMERICHOST) != 0;
  if (numeric || is_number(name) || !is_for_fiber("getaddrinfo", CLEARWAY_CALLER)) {
    return real_getaddrinfo(name, service, hints, found);
  }
  return look_up(name, service, hints, found);
}

CLEARWAY_HOOK int getnameinfo(const sockaddr* address, socklen_t size, char* name,
                              socklen_t name_size, char* service, socklen_t service_size,
                              int flags) {
  const bool numeric = name == nullptr || (flags & NI_NUMERICHOST) != 0;
  const auto make = [=] {
    return real_getnameinfo(address, size, name, name_size, service, service_size, flags);
  };
  if (numeric || !is_for_fiber("getnameinfo", CLEARWAY_CALLER)) return make();
  int error = 0;
  int status = 0;
  const auto keep = [&] { status = make(); };
  if (call_in_thread(keep, false, error) != nullptr) return status;
  if (error == EAGAIN) return make();
  errno = error;
  return EAI_SYSTEM;
}

CLEARWAY_HOOK hostent* gethostbyname(const char* name) {
  if (!is_for_fiber("gethostbyname", CLEARWAY_CALLER)) return real_gethostbyname(name);
  return host_call({.name = name});
}

CLEARWAY_HOOK hostent* gethostbyname2(const char* name, int family) {
  if (!is_for_fiber("gethostbyname2", CLEARWAY_CALLER)) return real_gethostbyname2(name, family);
  return host_call({.name = name, .family = family});
}

CLEARWAY_HOOK hostent* gethostbyaddr(const void* address, socklen_t size, int family) {
  if (!is_for_fiber("gethostbyaddr", CLEARWAY_CALLER)) {
    return real_gethostbyaddr(address, size, family);
  }
  return host_call({.name = std::string(static_cast<const char*>(address), size),
                    .family = family,
                    .by_address = true});
}

CLEARWAY_HOOK int gethostbyname_r(const char* name, hostent* entry, char* buffer, size_t size,
                                  hostent** result, int* problem) {
  if (!is_for_fiber("gethostbyname_r", CLEARWAY_CALLER)) {
    return real_gethostbyname_r(name, entry, buffer, size, result, problem);
  }
  return host_call_r({.name = name}, entry, buffer, size, result, problem);
}

CLEARWAY_HOOK int gethostbyname2_r(const char* name, int family, hostent* entry, char* buffer,
                                   size_t size, hostent** result, int* problem) {
  if (!is_for_fiber("gethostbyname2_r", CLEARWAY_CALLER)) {
    return real_gethostbyname2_r(name, family, entry, buffer, size, result, problem);
  }
  return host_call_r({.name = name, .family = family}, entry, buffer, size, result, problem);
}

CLEARWAY_HOOK int gethostbyaddr_r(const void* address, socklen_t address_size, int family,
                                  hostent* entry, char* buffer, size_t size, hostent** result,
                                  int* problem) {
  if (!is_for_fiber("gethostbyaddr_r", CLEARWAY_CALLER)) {
    return real_gethostbyaddr_r(address, address_size, family, entry, buffer, size, result,
                                problem);
  }
  return host_call_r({.name = std::string(static_cast<const char*>(address), address_size),
                      .family = family,
                      .by_address = true},
                     entry, buffer, size, result, problem);
}
