#include <clearway/os/pipe.hpp>

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/base/pipe_signal.hpp>

namespace clearway {
namespace {

void make_pollable(const Descriptor& descriptor, const std::string& name) {
  if (!descriptor.valid()) return;
  const int flags = ::fcntl(descriptor.get(), F_GETFL);
  if (flags < 0 || ::fcntl(descriptor.get(), F_SETFL, flags | O_NONBLOCK) < 0) {
    throw SystemError(fmt::format("cannot use {} as a stream", name), errno);
  }
}

}  // namespace

namespace detail {

PipeTransport::Side::Side(PipeTransport& pipe, Descriptor own, Kind direction) noexcept
    : descriptor(std::move(own)), pipe_(pipe) {
  kind = direction;
  handle = descriptor.get();
}

// True when the operation is done, its result set.
bool PipeTransport::Side::attempt(Operation& operation) const {
  ssize_t count = -1;
  do {
    if (operation.kind == Kind::send) {
      count = without_pipe_signal(
          [&] { return ::writev(descriptor.get(), operation.vectors, operation.vector_count); });
    } else if (operation.kind == Kind::receive) {
      count = ::read(descriptor.get(), operation.data, operation.size);
    } else {
      pollfd state{descriptor.get(), static_cast<short>(kind == Kind::readable ? POLLIN : POLLOUT),
                   0};
      if (::poll(&state, 1, 0) == 0) return false;
      count = 0;
    }
  } while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN) return false;
  operation.result = count < 0 ? -errno : count;
  return true;
}

bool PipeTransport::Side::submit(Operation& operation) {
  if (!descriptor.valid()) {
    operation.result = -EBADF;
    return true;
  }
  Driver& driver = Loop::current().driver();
  while (!attempt(operation)) {
    if (waiting_ != nullptr) {
      operation.result = -EBUSY;
      return true;
    }
    // Ours may still be on its way back from a wait that was cancelled.
    if (!pending && driver.submit(*this)) {
      if (result >= 0) continue;
      operation.result = result;
      return true;
    }
    waiting_ = &operation;
    operation.pending = true;
    return false;
  }
  return true;
}

void PipeTransport::Side::completed() {
  if (waiting_ != nullptr) {
    Operation& operation = *std::exchange(waiting_, nullptr);
    operation.pending = false;
    if (result < 0 && result != -ECANCELED) {
      operation.result = result;
    } else if (!submit(operation)) {
      return;
    }
    operation.completed();
  }
  pipe_.end_if_idle();
}

void PipeTransport::Side::cancel(Operation& operation) noexcept {
  if (waiting_ != &operation) return;
  waiting_ = nullptr;
  give_up();
  operation.pending = false;
  operation.result = -ECANCELED;
  operation.completed();
}

void PipeTransport::Side::give_up() noexcept {
  if (pending) Loop::current_or_null()->driver().cancel(*this);
}

PipeTransport::PipeTransport(Descriptor input, Descriptor output, std::string name) noexcept
    : input_(*this, std::move(input), Operation::Kind::readable),
      output_(*this, std::move(output), Operation::Kind::writable),
      name_(std::move(name)) {}

bool PipeTransport::submit(Operation& operation) {
  const bool writes =
      operation.kind == Operation::Kind::send || operation.kind == Operation::Kind::writable;
  return (writes ? output_ : input_).submit(operation);
}

void PipeTransport::cancel(Operation& operation) noexcept {
  input_.cancel(operation);
  output_.cancel(operation);
}

int PipeTransport::shutdown_write() {
  if (output_.pending) return -EBUSY;
  output_.descriptor.reset();
  return 0;
}

// The driver may still be letting go of our waits; a descriptor is not closed before that.
void PipeTransport::close() noexcept {
  input_.give_up();
  output_.give_up();
  closing_ = true;
  end_if_idle();
}

void PipeTransport::end_if_idle() noexcept {
  if (closing_ && !input_.pending && !output_.pending) delete this;
}

void PipeTransport::explain(NetPhase phase, int code) const {
  throw NetError::from_code(
      phase, fmt::format("cannot {} {}", phase == NetPhase::read ? "read from" : "write to", name_),
      code);
}

Handle PipeTransport::handle() const noexcept {
  return input_.descriptor.valid() ? input_.descriptor.get() : output_.descriptor.get();
}

}  // namespace detail

Stream pipe_stream(Descriptor input, Descriptor output, std::string name) {
  make_pollable(input, name);
  make_pollable(output, name);
  TransportPointer transport(
      new detail::PipeTransport(std::move(input), std::move(output), std::move(name)));
  return {std::move(transport), Address()};
}

}  // namespace clearway
