#include <clearway/net/read_buffer.hpp>

#include <cstring>

namespace clearway {

ReadBuffer::Room ReadBuffer::prepare() {
  if (empty()) begin_ = end_ = 0;
  if (capacity_ == 0) {
    move_to(initial_capacity);
  } else if (capacity_ - end_ < capacity_ / 4) {
    if (begin_ >= capacity_ / 2) {
      std::memmove(memory_.get(), memory_.get() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    } else {
      move_to(2 * capacity_);
    }
  }
  return {.data = memory_.get() + end_, .size = capacity_ - end_};
}

void ReadBuffer::move_to(std::size_t capacity) {
  std::unique_ptr<char[]> larger(new char[capacity]);  // not zeroed, as make_unique would
  if (!empty()) std::memcpy(larger.get(), memory_.get() + begin_, end_ - begin_);
  end_ -= std::exchange(begin_, 0);
  memory_ = std::move(larger);
  capacity_ = capacity;
}

void ReadBuffer::shrink() noexcept {
  if (!empty()) return;
  memory_.reset();
  capacity_ = begin_ = end_ = 0;
}

}  // namespace clearway
