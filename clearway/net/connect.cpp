#include <clearway/net/connect.hpp>

#include <algorithm>
#include <cerrno>
#include <vector>

#include <fmt/format.h>
#include <clearway/loop/descriptor_limit.hpp>
#include <clearway/net/resolve.hpp>

namespace clearway {
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
class ConnectAwaiter final : public detail::SocketAwaiter, private Timer {
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

std::string reason(int code, Duration allowed) {
  if (code == ETIMEDOUT && allowed > Duration::zero()) {
    const double seconds = std::chrono::duration<double>(allowed).count();
    return fmt::format("no answer within {:.3g} s", seconds);
  }
  return system_message(code) + descriptor_limit_hint(code);
}

// The outcome of one attempt: a stream, or why not.
struct Attempt {
  Stream stream;
  int code = 0;
  Duration allowed{};
};

Task<Attempt> attempt(Address target, Instant deadline, bool no_delay) {
  Loop& loop = Loop::current();
  Attempt result;
  HandleGuard handle(loop.driver().open_stream(target.family()));
  if (handle.get() < 0) {
    result.code = -handle.get();
    co_return result;
  }
  result.allowed = deadline - loop.now();
  result.code = co_await ConnectOperation(handle.get(), target, deadline);
  if (result.code == 0) {
    if (no_delay && !target.is_unix()) loop.driver().set_no_delay(handle.get(), true);
    result.stream = Stream(handle.release(), target);
  }
  co_return result;
}

Task<Stream> connect_to_any(std::string name, std::vector<Address> addresses, Instant deadline,
                            bool no_delay) {
  Loop& loop = Loop::current();
  std::string reasons;
  int code = 0;
  for (std::size_t index = 0; index < addresses.size(); ++index) {
    const Instant now = loop.now();
    Instant share = deadline;
    if (deadline != never) {
      const auto left = static_cast<std::int64_t>(addresses.size() - index);
      share = after(now, (deadline - now) / left);
    }
    Attempt result = co_await attempt(addresses[index], share, no_delay);
    if (result.code == 0) co_return std::move(result.stream);
    code = result.code;
    const std::string tried = addresses[index].to_string();
    if (!reasons.empty()) reasons += "; ";
    if (tried != name) reasons += tried + ": ";
    reasons += reason(code, result.allowed);
  }
  throw ConnectError(fmt::format("cannot connect to {}: {}", name, reasons), code);
}

}  // namespace

Task<Stream> connect(std::string host, std::uint16_t port, ConnectOptions options) {
  const Instant deadline = after(Loop::current().now(), options.timeout);
  std::vector<Address> addresses = co_await resolve(host, port, {.timeout = options.timeout});
  const bool is_v6_literal = host.find(':') != std::string::npos;
  std::string name =
      is_v6_literal ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
  co_return co_await connect_to_any(std::move(name), std::move(addresses), deadline,
                                    options.no_delay);
}

Task<Stream> connect(Address address, ConnectOptions options) {
  const Instant deadline = after(Loop::current().now(), options.timeout);
  std::vector<Address> addresses(1, address);
  co_return co_await connect_to_any(address.to_string(), std::move(addresses), deadline,
                                    options.no_delay);
}

Task<Stream> connect_unix(std::string path, ConnectOptions options) {
  co_return co_await connect(Address::unix_path(path), options);
}

}  // namespace clearway
