#pragma once

// What the tests of the libc hooks share: blocking functions on fibers, over the kernel's own
// sockets, in simulated and in real time.

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/base/log.hpp>
#include <clearway/fiber/blocking.hpp>
#include <clearway/fiber/fiber.hpp>
#include <clearway/fiber/sanitizer.hpp>
#include <clearway/task/gather.hpp>
#include <tests/support/worlds.hpp>

namespace clearway::tests {

// Built with ThreadSanitizer.
#if defined(CLEARWAY_TSAN)
inline constexpr bool with_tsan = true;
#else
inline constexpr bool with_tsan = false;
#endif

struct Pair {
  explicit Pair(int type = SOCK_STREAM) {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, type, 0, ends) != 0) throw SystemError("socketpair", errno);
    near = Descriptor(ends[0]);
    far = Descriptor(ends[1]);
  }
  Descriptor near;
  Descriptor far;
};

// The same over TCP.
struct TcpPair {
  TcpPair() {
    const Descriptor listener(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const where = reinterpret_cast<sockaddr*>(&address);
    ::bind(listener.get(), where, size);
    ::listen(listener.get(), 1);
    ::getsockname(listener.get(), where, &size);
    far = Descriptor(::socket(AF_INET, SOCK_STREAM, 0));
    const fiber::AllowBlocking both_are_here;
    ::connect(far.get(), where, size);
    near = Descriptor(::accept(listener.get(), nullptr, nullptr));
  }
  Descriptor near;
  Descriptor far;
};

struct Pipe {
  Pipe() {
    int ends[2] = {-1, -1};
    if (::pipe(ends) != 0) throw SystemError("pipe", errno);
    out = Descriptor(ends[0]);
    in = Descriptor(ends[1]);
  }
  Descriptor out;
  Descriptor in;
};

// What a call gave, and errno when it failed.
struct Outcome {
  Outcome() = default;
  template <class T>
  explicit Outcome(T value) : value(static_cast<long>(value)), error(value < 0 ? errno : 0) {}
  long value = 0;
  int error = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
inline void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << outcome.value << " (" << std::strerror(outcome.error) << ")";
}
inline Outcome failed(int error) {
  Outcome outcome;
  outcome.value = -1;
  outcome.error = error;
  return outcome;
}
inline Outcome gave(long value) {
  Outcome outcome;
  outcome.value = value;
  return outcome;
}

// Waits as a thread would, on a fiber.
inline void pause(Duration length) { fiber::await(sleep(length)); }

// Runs the functions on fibers, all at once.
inline Task<> together(std::vector<std::function<void()>> functions) {
  const auto on_fiber = [&](std::function<void()>& function) {
    return fiber::run(std::ref(function));
  };
  co_await gather(functions, on_fiber);
}

// What is logged while it lives.
class Logged {
 public:
  Logged() : before_(log::set_sink(keep)) { lines().clear(); }
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;
  ~Logged() { log::set_sink(before_); }
  static std::vector<std::string>& lines() {
    static std::vector<std::string> all;
    return all;
  }

 private:
  static void keep(log::Level, std::string_view, std::string_view message) {
    lines().emplace_back(message);
  }
  log::Sink before_;
};

}  // namespace clearway::tests
