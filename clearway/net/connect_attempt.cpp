#include <clearway/net/connect_attempt.hpp>

#include <cerrno>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <clearway/loop/descriptor_limit.hpp>
#include <clearway/net/deadline_operation.hpp>
#include <clearway/net/error.hpp>

namespace clearway::detail {
namespace {

// Owns a handle until a stream does.
class HandleGuard {
 public:
  explicit HandleGuard(Handle handle) noexcept : handle_(handle) {}
  HandleGuard(const HandleGuard&) = delete;
  HandleGuard& operator=(const HandleGuard&) = delete;
  ~HandleGuard() {
    if (handle_ >= 0) Loop::current().driver().close(handle_);
  }
  [[nodiscard]] Handle get() const noexcept { return handle_; }
  Handle release() noexcept { return std::exchange(handle_, no_handle); }

 private:
  Handle handle_;
};

// Gives 0 or a positive errno value. The port is chosen when connecting: it may then serve several
// connections (ip(7), IP_BIND_ADDRESS_NO_PORT).
int come_from(Handle handle, const Address& local, const Address& target) noexcept {
  if (Loop::current().driver().simulated()) return 0;
  if (local.family() != target.family()) return EAFNOSUPPORT;
  const int on = 1;
  ::setsockopt(handle, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  return ::bind(handle, local.data(), local.size()) == 0 ? 0 : errno;
}

}  // namespace

std::string connect_failure(int code, Duration allowed) {
  if (code == ETIMEDOUT && allowed > Duration::zero()) {
    const double seconds = std::chrono::duration<double>(allowed).count();
    return fmt::format("no answer within {:.3g} s", seconds);
  }
  return system_message(code) + descriptor_limit_hint(code);
}

Task<ConnectAttempt> attempt_connect(Address target, Instant deadline, ConnectOptions options) {
  Loop& loop = Loop::current();
  ConnectAttempt result;
  HandleGuard handle(loop.driver().open_stream(target.family()));
  if (handle.get() < 0) {
    result.code = -handle.get();
    co_return result;
  }
  if (options.local) result.code = come_from(handle.get(), *options.local, target);
  if (result.code != 0) co_return result;
  result.allowed = deadline - loop.now();
  result.code = co_await DeadlineOperation::connect(handle.get(), target, deadline);
  if (result.code == 0) {
    if (options.no_delay && !target.is_unix()) loop.driver().set_no_delay(handle.get(), true);
    result.stream = Stream(handle.release(), target);
  }
  co_return result;
}

}  // namespace clearway::detail
