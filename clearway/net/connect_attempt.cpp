#include <clearway/net/connect_attempt.hpp>

#include <cerrno>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <clearway/loop/descriptor_limit.hpp>
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

// Awaits the connection; gives 0 or a positive errno value, ETIMEDOUT when the time is over.
class ConnectAwaiter final : public SocketAwaiter, private Timer {
 public:
  ConnectAwaiter(Handle on, Address& target, Instant deadline) noexcept : deadline_(deadline) {
    kind = Kind::connect;
    handle = on;
    address = &target;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> frame) {
    if (!begin(frame.promise())) return true;
    const bool suspended = submit_operation();
    if (pending) Loop::current().timers().set(*this, deadline_);
    return suspended;
  }
  int await_resume() const {
    throw_if_cancelled();
    return static_cast<int>(-result);
  }

 private:
  void expired() override {
    timed_out_ = true;
    Loop::current().driver().cancel(*this);
  }
  void completed() override {
    Loop::current().timers().cancel(*this);
    if (timed_out_ && result == -ECANCELED) result = -ETIMEDOUT;
    SocketAwaiter::completed();
  }

  Instant deadline_;
  bool timed_out_ = false;
};

class ConnectOperation {
 public:
  ConnectOperation(Handle handle, Address& target, Instant deadline) noexcept
      : handle_(handle), target_(&target), deadline_(deadline) {}
  ConnectAwaiter operator co_await() const noexcept { return {handle_, *target_, deadline_}; }

 private:
  Handle handle_;
  Address* target_;
  Instant deadline_;
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
  result.code = co_await ConnectOperation(handle.get(), target, deadline);
  if (result.code == 0) {
    if (options.no_delay && !target.is_unix()) loop.driver().set_no_delay(handle.get(), true);
    result.stream = Stream(handle.release(), target);
  }
  co_return result;
}

}  // namespace clearway::detail
