#include <clearway/net/stream.hpp>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include <fmt/format.h>
#include <clearway/base/log.hpp>

namespace clearway {

Stream::Stream(Handle handle, const Address& peer)
    : loop_(&Loop::current()), handle_(handle), peer_(peer) {}

Stream::Stream(TransportPointer transport, const Address& peer)
    : loop_(&Loop::current()),
      handle_(transport->handle()),
      transport_(std::move(transport)),
      peer_(peer) {}

Stream::Stream(Stream&& other) noexcept { *this = std::move(other); }

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this == &other) return *this;
  assert(!other.reading_ && !other.writing_ &&
         !other.sending_file_);  // the operation refers to the stream
  close();
  loop_ = other.loop_;
  handle_ = std::exchange(other.handle_, no_handle);
  transport_ = std::move(other.transport_);
  ended_ = std::exchange(other.ended_, false);
  buffer_ = std::move(other.buffer_);
  bytes_read_ = other.bytes_read_;
  bytes_written_ = other.bytes_written_;
  peer_ = other.peer_;
  return *this;
}

detail::ReadOperation Stream::read_some(std::span<char> into) noexcept {
  static char nowhere;  // an empty span may have no address, which would mean the buffer
  return {*this, into.empty() ? &nowhere : into.data(), into.size()};
}

detail::ReadOperation Stream::fill() noexcept { return {*this, nullptr, 0}; }

detail::ReadableOperation Stream::wait_readable() noexcept {
  return detail::ReadableOperation(*this);
}

detail::WriteStringOperation Stream::write(std::string data) noexcept {
  return {*this, std::move(data)};
}

detail::WriteOperation Stream::write_view(std::string_view data) noexcept { return {*this, data}; }

detail::WriteOperation Stream::write_views(std::span<const std::string_view> pieces) noexcept {
  return {*this, pieces};
}

detail::WriteSomeOperation Stream::write_some(std::string_view data) noexcept {
  return {*this, data};
}

std::string Stream::take(std::size_t count) {
  std::string result(buffered().substr(0, count));
  consume(result.size());
  return result;
}

Task<std::optional<std::string>> Stream::read_some(std::size_t most) {
  if (buffered().empty()) {
    const std::size_t count = co_await fill();
    if (count == 0) co_return std::nullopt;
  }
  co_return take(most);
}

Task<std::string> Stream::read_exactly(std::size_t size) {
  while (buffered().size() < size) {
    const std::size_t count = co_await fill();
    if (count == 0) {
      throw EndOfStream(fmt::format("{} ended the stream after {} of {} bytes", peer_.to_string(),
                                    buffered().size(), size),
                        buffered().size());
    }
  }
  co_return take(size);
}

Task<std::string> Stream::read_until(std::string delimiter, std::size_t limit) {
  if (delimiter.empty()) throw UsageError("read_until() needs a delimiter that is not empty");
  std::size_t searched = 0;
  for (;;) {
    const std::string_view there = buffered();
    const std::size_t found = there.find(delimiter, searched);
    const std::size_t size =
        found == std::string_view::npos ? there.size() + 1 : found + delimiter.size();
    if (size > limit) {
      throw LimitExceeded(
          fmt::format("{} sent more than {} bytes without the expected end of a "
                      "message; the limit is an argument of read_until()",
                      peer_.to_string(), limit));
    }
    if (found != std::string_view::npos) co_return take(size);
    searched = there.size() - std::min(there.size(), delimiter.size() - 1);
    const std::size_t count = co_await fill();
    if (count == 0) {
      throw EndOfStream(fmt::format("{} ended the stream within a message, after {} bytes of it",
                                    peer_.to_string(), buffered().size()),
                        buffered().size());
    }
  }
}

Task<std::optional<std::string>> Stream::read_line(std::size_t limit) {
  std::size_t searched = 0;
  for (;;) {
    const std::string_view there = buffered();
    const std::size_t found = there.find('\n', searched);
    if (std::min(found, there.size()) > limit) {
      throw LimitExceeded(fmt::format(
          "{} sent a line of more than {} bytes; the limit is an argument of read_line()",
          peer_.to_string(), limit));
    }
    if (found != std::string_view::npos) {
      const bool has_return = found > 0 && there[found - 1] == '\r';
      std::string line(there.substr(0, found - (has_return ? 1 : 0)));
      consume(found + 1);
      co_return line;
    }
    searched = there.size();
    const std::size_t count = co_await fill();
    if (count > 0) continue;
    if (buffered().empty()) co_return std::nullopt;
    co_return take(buffered().size());
  }
}

Task<std::string> Stream::read_all(std::size_t limit) {
  for (;;) {
    if (buffered().size() > limit) {
      throw LimitExceeded(
          fmt::format("{} sent more than {} bytes; the limit is an argument of read_all()",
                      peer_.to_string(), limit));
    }
    const std::size_t count = co_await fill();
    if (count == 0) co_return take(buffered().size());
  }
}

Task<> Stream::shutdown_write() {
  int error = -EBADF;
  if (is_open()) {
    error = transport_ != nullptr ? transport_->shutdown_write()
                                  : loop_->driver().shutdown(handle_, SHUT_WR);
  }
  // A connection that is gone has no direction left to end.
  if (error != 0 && error != -ENOTCONN) {
    throw NetError::from_code(
        NetPhase::write, fmt::format("cannot end the stream to {}", peer_.to_string()), -error);
  }
  co_return;
}

void Stream::close() noexcept {
  if (!is_open()) return;
  assert(!reading_ && !writing_);
  const Handle handle = std::exchange(handle_, no_handle);
  if (loop_ != Loop::current_or_null()) {
    log::write(log::Level::error, "net",
               "a stream is destroyed after its loop, or on another thread; it stays open");
    static_cast<void>(transport_.release());  // and so is its layer, which the driver may be using
    return;
  }
  if (transport_ != nullptr) {
    transport_.reset();
  } else {
    loop_->driver().close(handle);
  }
}

void Stream::reset() noexcept {
  if (!is_open()) return;
  assert(!reading_ && !writing_);
  if (loop_ != Loop::current_or_null()) {
    close();
  } else if (transport_ != nullptr) {
    handle_ = no_handle;
    transport_.release()->reset();
  } else {
    loop_->driver().reset(std::exchange(handle_, no_handle));
  }
}

Address Stream::local() const {
  Address address;
  const int error = is_open() ? loop_->driver().local_address(handle_, address) : -EBADF;
  if (error != 0) {
    throw NetError::from_code(NetPhase::connect, "cannot tell the local address of a stream",
                              -error);
  }
  return address;
}

Handle Stream::release() noexcept {
  assert(!reading_ && !writing_ && buffer_.empty() && transport_ == nullptr);
  return std::exchange(handle_, no_handle);
}

bool Stream::submit(Operation& operation) {
  if (transport_ != nullptr) return transport_->submit(operation);
  return Loop::current().driver().submit(operation);
}

void Stream::cancel(Operation& operation) noexcept {
  if (transport_ != nullptr) {
    transport_->cancel(operation);
  } else {
    loop_->driver().cancel(operation);
  }
}

StreamPair stream_pair() {
  Handle handles[2] = {no_handle, no_handle};
  const int error = Loop::current().driver().stream_pair(handles);
  if (error != 0) {
    throw NetError::from_code(NetPhase::connect, "cannot make a pair of streams", -error);
  }
  return {.first = Stream(handles[0], Address()), .second = Stream(handles[1], Address())};
}

}  // namespace clearway
