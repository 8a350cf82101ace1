#include <clearway/fiber_hooks/message.hpp>

#include <algorithm>
#include <climits>
#include <new>

namespace clearway::hooks {

Pieces::Pieces(const iovec* pieces, std::size_t count) noexcept : count_(count) {
  if (count > few) {
    elsewhere_.reset(new (std::nothrow) iovec[count]);
    pieces_ = elsewhere_.get();
  }
  if (pieces_ != nullptr) std::copy_n(pieces, count, pieces_);
}

std::size_t Pieces::left() const noexcept {
  std::size_t bytes = 0;
  for (std::size_t index = 0; index < count_; ++index) bytes += pieces_[index].iov_len;
  return bytes;
}

void Pieces::advance(std::size_t bytes) noexcept {
  while (count_ > 0 && bytes >= pieces_->iov_len) {
    bytes -= pieces_->iov_len;
    ++pieces_;
    --count_;
  }
  if (count_ == 0 || bytes == 0) return;
  pieces_->iov_base = static_cast<char*>(pieces_->iov_base) + bytes;
  pieces_->iov_len -= bytes;
}

bool moves_something(const iovec* pieces, int count) noexcept {
  if (count <= 0 || count > IOV_MAX) return false;
  return std::any_of(pieces, pieces + count, [](const iovec& piece) { return piece.iov_len > 0; });
}

bool is_stream(int descriptor) noexcept {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace clearway::hooks
