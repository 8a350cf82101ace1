#include <clearway/net/stream_operations.hpp>

#include <cerrno>

#include <fmt/format.h>
#include <clearway/net/stream.hpp>

namespace clearway::detail {

StreamAwaiter::StreamAwaiter(Stream& stream) noexcept
    : SocketAwaiter(stream.transport()), stream_(stream) {}

void StreamAwaiter::check(NetPhase phase, bool busy) const {
  const char* const verb = phase == NetPhase::read ? "read from" : "write to";
  if (!stream_.is_open()) {
    throw NetError(phase, fmt::format("cannot {} a stream that is closed", verb), EBADF);
  }
  if (stream_.loop_ != Loop::current_or_null()) {
    throw UsageError(fmt::format(
        "the stream to {} belongs to the loop of another thread: use it there, through post() or "
        "run_on()",
        stream_.peer().to_string()));
  }
  if (busy) {
    throw UsageError(fmt::format(
        "two tasks {} the stream to {} at once: let one task do it, or guard it with a Lock", verb,
        stream_.peer().to_string()));
  }
}

void StreamAwaiter::fail(NetPhase phase) const {
  if (const Transport* transport = stream_.transport()) {
    transport->explain(phase, static_cast<int>(-result));
  }
  throw NetError::from_code(
      phase,
      fmt::format("cannot {} {}", phase == NetPhase::read ? "read from" : "write to",
                  stream_.peer().to_string()),
      static_cast<int>(-result));
}

ReadAwaiter::ReadAwaiter(Stream& stream, char* into, std::size_t size) noexcept
    : StreamAwaiter(stream), fills_(into == nullptr) {
  kind = Kind::receive;
  data = into;
  this->size = size;
}

bool ReadAwaiter::await_ready() noexcept {
  result = 0;
  if (!fills_ && !stream_.buffer_.empty()) {
    const std::string_view there = stream_.buffer_.view().substr(0, size);
    there.copy(static_cast<char*>(data), there.size());
    stream_.buffer_.consume(there.size());
    result = static_cast<std::int64_t>(there.size());
    return true;
  }
  return (!fills_ && size == 0) || (stream_.ended_ && stream_.is_open());
}

bool ReadAwaiter::start(PromiseBase& frame) {
  check(NetPhase::read, stream_.reading_);
  if (!begin(frame)) return true;
  handle = stream_.handle_;
  if (fills_) {
    const ReadBuffer::Room room = stream_.buffer_.prepare();
    data = room.data;
    size = room.size;
  }
  stream_.reading_ = true;
  return submit_operation();
}

void ReadAwaiter::ended() noexcept {
  stream_.reading_ = false;
  if (result < 0) return;
  if (result == 0) stream_.ended_ = true;
  stream_.bytes_read_ += static_cast<std::uint64_t>(result);
  if (fills_) stream_.buffer_.commit(static_cast<std::size_t>(result));
}

std::size_t ReadAwaiter::await_resume() {
  throw_if_cancelled();
  if (result < 0) fail(NetPhase::read);
  return static_cast<std::size_t>(result);
}

bool ReadableAwaiter::start(PromiseBase& frame) {
  check(NetPhase::read, false);
  kind = Kind::readable;
  handle = stream_.handle();
  return !begin(frame) || submit_operation();
}

void ReadableAwaiter::await_resume() {
  throw_if_cancelled();
  if (result < 0) fail(NetPhase::read);
}

bool WriteAwaiter::start(PromiseBase& frame) {
  check(NetPhase::write, stream_.writing_ || (stream_.sending_file_ && !of_file_));
  kind = Kind::send;
  handle = stream_.handle_;
  if (!begin(frame)) return true;
  stream_.writing_ = true;
  if (!advance()) return true;
  stream_.writing_ = false;
  return !done_at_once();
}

// Points `vectors` at what is left; false when nothing is.
bool WriteAwaiter::load() noexcept {
  if (vector_count > 0) return true;
  std::size_t count = 0;
  const auto add = [&](std::string_view piece) {
    if (!piece.empty()) pieces_[count++] = {const_cast<char*>(piece.data()), piece.size()};
  };
  add(std::exchange(first_, {}));
  while (!more_.empty() && count < most_vectors) {
    add(more_.front());
    more_ = more_.subspan(1);
  }
  vectors = pieces_.data();
  vector_count = static_cast<int>(count);
  return count > 0;
}

// Submits until all is taken, the driver waits (false), or it fails.
bool WriteAwaiter::advance() {
  while (load()) {
    if (!submit_once()) return false;
    if (!account()) return true;
  }
  return true;
}

// Takes what was sent off the front; false when there is nothing more to do: an error, or one send
// was all that was asked for.
bool WriteAwaiter::account() noexcept {
  if (result < 0) return false;
  auto sent = static_cast<std::size_t>(result);
  written_ += sent;
  stream_.bytes_written_ += sent;
  iovec* piece = const_cast<iovec*>(vectors);
  while (vector_count > 0 && sent >= piece->iov_len) {
    sent -= piece->iov_len;
    ++piece;
    --vector_count;
  }
  if (vector_count > 0) {
    piece->iov_base = static_cast<char*>(piece->iov_base) + sent;
    piece->iov_len -= sent;
  }
  vectors = piece;
  return all_;
}

void WriteAwaiter::completed() {
  const bool cancelled = result == -ECANCELED;
  const bool more = !cancelled && account() && load();
  if (more && !stopping_ && !advance()) return;
  stream_.writing_ = false;
  if (cancelled || (more && stopping_)) {
    wake_cancelled();
  } else {
    wake();
  }
}

void WriteAwaiter::stop() noexcept {
  stopping_ = true;
  SocketAwaiter::stop();
}

std::size_t WriteAwaiter::finish() {
  throw_if_cancelled();
  if (result < 0) fail(NetPhase::write);
  return written_;
}

bool SendFileAwaiter::start(PromiseBase& frame) {
  check(NetPhase::write, stream_.writing_);
  handle = stream_.handle_;
  if (!begin(frame)) return true;
  stream_.writing_ = true;
  return submit_operation();
}

void SendFileAwaiter::ended() noexcept {
  stream_.writing_ = false;
  if (result > 0) stream_.bytes_written_ += static_cast<std::uint64_t>(result);
}

std::optional<std::size_t> SendFileAwaiter::await_resume() {
  throw_if_cancelled();
  if (result == -EINVAL || result == -ENOSYS || result == -EOPNOTSUPP) return std::nullopt;
  if (result < 0) fail(NetPhase::write);
  return static_cast<std::size_t>(result);
}

}  // namespace clearway::detail
