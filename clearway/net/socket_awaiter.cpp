#include <clearway/net/socket_awaiter.hpp>

#include <cerrno>

namespace clearway::detail {

bool SocketAwaiter::submit_once() {
  if (transport_ != nullptr) return transport_->submit(*this);
  return Loop::current_or_null()->driver().submit(*this);
}

bool SocketAwaiter::submit_operation() {
  if (!submit_once()) return true;
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

void SocketAwaiter::stop() noexcept {
  if (transport_ != nullptr) {
    transport_->cancel(*this);
  } else {
    Loop::current_or_null()->driver().cancel(*this);
  }
}

}  // namespace clearway::detail
