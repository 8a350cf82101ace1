#pragma once

#include <cassert>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace clearway {

// Bytes that have come and wait to be consumed, in one piece. Memory is allocated with the first
// byte and grows with what is not consumed; whoever reads bounds that.
class ReadBuffer {
 public:
  static constexpr std::size_t initial_capacity = 16 * 1024;

  ReadBuffer() noexcept = default;
  ReadBuffer(ReadBuffer&& other) noexcept
      : memory_(std::move(other.memory_)),
        capacity_(std::exchange(other.capacity_, 0)),
        begin_(std::exchange(other.begin_, 0)),
        end_(std::exchange(other.end_, 0)) {}
  ReadBuffer& operator=(ReadBuffer&& other) noexcept {
    memory_ = std::move(other.memory_);
    capacity_ = std::exchange(other.capacity_, 0);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
    return *this;
  }
  ~ReadBuffer() = default;

  [[nodiscard]] std::string_view view() const noexcept {
    return {memory_.get() + begin_, end_ - begin_};
  }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  void consume(std::size_t count) noexcept {
    assert(count <= end_ - begin_);
    begin_ += count;
  }

  // Room for at least a quarter of the capacity. What view() gave is invalid afterwards.
  struct Room {
    char* data;
    std::size_t size;
  };
  Room prepare();
  // `count` bytes were written to the room.
  void commit(std::size_t count) noexcept {
    assert(count <= capacity_ - end_);
    end_ += count;
  }
  // Gives the memory back when nothing is in it.
  void shrink() noexcept;

 private:
  void move_to(std::size_t capacity);

  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace clearway
