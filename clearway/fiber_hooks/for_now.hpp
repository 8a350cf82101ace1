#pragma once

// A descriptor that is non-blocking for the moment of one call. O_NONBLOCK is the open file's, and
// so everybody's: these moments come one after the other, and whoever finds a descriptor
// non-blocking can ask whether its owner made it so.

#include <cstdint>

#include <pthread.h>

namespace clearway::hooks {

class NonBlockingForNow {
 public:
  // errno survives both.
  explicit NonBlockingForNow(int descriptor) noexcept;
  NonBlockingForNow(const NonBlockingForNow&) = delete;
  NonBlockingForNow& operator=(const NonBlockingForNow&) = delete;
  ~NonBlockingForNow();

  // The flags of a descriptor (F_GETFL) as its owner has set them; -1: there is none.
  static int owners_flags(int descriptor) noexcept;
  // For somebody else's call beside all this: were there any such moments while it was made?
  class Beside {
   public:
    Beside() noexcept;
    [[nodiscard]] bool any() const noexcept;

   private:
    std::uint64_t ended_before_;
  };

 private:
  [[nodiscard]] bool changes() const noexcept;

  int descriptor_;
  int flags_;
  pthread_mutex_t* order_;
};

}  // namespace clearway::hooks
