#pragma once

// A copy of a message's pieces from which what has been moved is taken off.

#include <cstddef>
#include <memory>

#include <sys/socket.h>
#include <sys/uio.h>

namespace clearway::hooks {

class Pieces {
 public:
  // Null pieces: there was no memory (valid() is false).
  Pieces(const iovec* pieces, std::size_t count) noexcept;
  [[nodiscard]] bool valid() const noexcept { return pieces_ != nullptr; }
  [[nodiscard]] std::size_t left() const noexcept;
  void advance(std::size_t bytes) noexcept;
  [[nodiscard]] iovec* data() noexcept { return pieces_; }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  static constexpr std::size_t few = 8;
  iovec here_[few];
  std::unique_ptr<iovec[]> elsewhere_;
  iovec* pieces_ = here_;
  std::size_t count_;
};

// False: readv() and writev() with these do nothing, or fail, and wait for nobody.
bool moves_something(const iovec* pieces, int count) noexcept;

// Whether a call may move a part of what it was given, and go on: streams, not datagrams.
bool is_stream(int descriptor) noexcept;

}  // namespace clearway::hooks
