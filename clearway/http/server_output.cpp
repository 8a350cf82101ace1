#include <clearway/http/server_output.hpp>

#include <algorithm>
#include <cerrno>

#include <clearway/http/server_connection.hpp>
#include <clearway/http/server_core.hpp>

namespace clearway::http::detail {

namespace {

// What sendfile() says of the file, not of the connection.
bool concerns_file(int code) noexcept {
  switch (code) {
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
    case ESPIPE:
    case EIO:
    case ESTALE:
    case EACCES:
    case EPERM:
    case EOVERFLOW:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool ServerOutput::start() {
  while (!pending) {
    if (failed_) return true;
    if (!busy_ && !load()) return true;
    if (kind == Kind::send) {
      vectors = pieces_[0].iov_len > 0 ? pieces_.data() : &pieces_[1];
      vector_count = pieces_[0].iov_len > 0 && pieces_[1].iov_len > 0 ? 2 : 1;
    }
    if (!connection_->submit(*this)) break;
    if (!account()) fail();
  }
  connection_->set_deadline_in(connection_->core().options().write_timeout);
  return false;
}

// What to send next; false: nothing.
bool ServerOutput::load() noexcept {
  handle = connection_->handle();
  if (!text().empty() || !tail_.empty()) {
    pieces_[0] = {text().data(), text().size()};
    filling_ ^= 1;  // the other one has been sent
    if (!tail_.empty()) tail_.swap(sending_tail_);
    pieces_[1] = {sending_tail_.data(), sending_tail_.size()};
    busy_ = true;
    kind = Kind::send;
    return true;
  }
  if (file_left_ == 0 || file_ended_) return false;
  kind = Kind::send_file;
  data = &region_;
  size = file_left_;
  return true;
}

// Takes off what was sent; false: the connection is broken.
bool ServerOutput::account() noexcept {
  if (kind == Kind::send_file) return account_file();
  if (result < 0) return false;
  auto sent = static_cast<std::size_t>(result);
  for (iovec& piece : pieces_) {
    const std::size_t part = std::min(sent, piece.iov_len);
    piece.iov_base = static_cast<char*>(piece.iov_base) + part;
    piece.iov_len -= part;
    sent -= part;
  }
  if (pieces_[0].iov_len + pieces_[1].iov_len > 0) return true;
  busy_ = false;
  buffers_[filling_ ^ 1].clear();
  if (!sending_tail_.empty()) sending_tail_ = std::string();
  return true;
}

bool ServerOutput::account_file() noexcept {
  if (result < 0) {
    file_error_ = static_cast<int>(-result);
    file_ended_ = true;
    return concerns_file(file_error_);
  }
  const auto sent = static_cast<std::size_t>(result);
  file_ended_ = sent == 0;
  region_.offset += sent;
  file_left_ -= sent;
  return true;
}

// What follows on this connection would be taken for the rest of the file.
void ServerOutput::forget_file() noexcept {
  if (file_left_ == 0 || file_ended_) return;
  file_left_ = 0;
  if (pending && kind == Kind::send_file) connection_->cancel(*this);
  fail();
}

void ServerOutput::fail() noexcept {
  failed_ = true;
  text().clear();
  tail_.clear();
}

void ServerOutput::completed() {
  if (!account() || stalled_) fail();
  if (connection_->closing()) {
    connection_->enqueue();
    return;
  }
  if (!start()) return;
  connection_->sent();
  if (waiting_ != nullptr) {
    std::exchange(waiting_, nullptr)->wake();
  } else if (failed_) {
    connection_->enqueue();  // whoever else works for this client learns it there
  }
}

void ServerOutput::give_up() noexcept {
  stalled_ = true;
  if (pending) connection_->cancel(*this);
}

void ServerOutput::reset() noexcept {
  // A tail has no memory once it has been sent.
  const bool unsent = busy_ || waiting_bytes() > 0;
  if (unsent || std::max(buffers_[0].capacity(), buffers_[1].capacity()) > kept_capacity) {
    buffers_ = {};
    tail_ = std::string();
    sending_tail_ = std::string();
  }
  connection_ = nullptr;
  file_left_ = 0;
  busy_ = failed_ = stalled_ = file_ended_ = false;
}

bool ServerOutput::Flush::suspend(PromiseBase& frame) {
  if (!begin(frame)) return true;
  if (output_.start()) return !done_at_once();
  output_.waiting_ = this;
  return true;
}

void ServerOutput::Flush::stop() noexcept {
  output_.waiting_ = nullptr;
  output_.forget_file();
  wake_cancelled();
}

}  // namespace clearway::http::detail
