#include <clearway/net/socket_awaiter.hpp>

#include <cerrno>

namespace clearway::detail {

bool SocketAwaiter::submit_operation() {
  if (!Loop::current_or_null()->driver().submit(*this)) return true;
  ended();
  return !done_at_once();
}

void SocketAwaiter::completed() {
  ended();
  if (result == -ECANCELED) {
    wake_cancelled();
  } else {
    wake();
  }
}

void SocketAwaiter::stop() noexcept { Loop::current_or_null()->driver().cancel(*this); }

}  // namespace clearway::detail
