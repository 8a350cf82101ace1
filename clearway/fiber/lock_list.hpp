#pragma once

#include <array>
#include <cstddef>

namespace clearway::detail {

// What one fiber holds: the last few.
class LockList {
 public:
  void add(const void* mutex, const void* place) noexcept {
    if (count_ < all_.size()) all_[count_] = {mutex, place};
    ++count_;
  }
  void remove(const void* mutex) noexcept;
  [[nodiscard]] bool holds(const void* mutex) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  // Where the latest was locked.
  [[nodiscard]] const void* place() const noexcept;
  void clear() noexcept { count_ = 0; }

 private:
  struct Held {
    const void* mutex;
    const void* place;
  };
  std::array<Held, 8> all_{};
  std::size_t count_ = 0;
};

}  // namespace clearway::detail
