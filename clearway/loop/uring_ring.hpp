#pragma once

// The two queues that are shared with the kernel, and the group of buffers that it receives into.
// Spoken to directly: liburing 2.3 would bring its own loop around io_uring_enter() and one more
// library for every program to link, and what it saves is this file.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <linux/io_uring.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/loop/time.hpp>

namespace clearway {

// Memory from mmap().
class Mapping {
 public:
  Mapping() noexcept = default;
  // Throws SystemError. `descriptor` -1: anonymous memory.
  Mapping(std::size_t size, int descriptor, std::uint64_t offset);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();
  [[nodiscard]] char* data() const noexcept { return data_; }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

// How much of io_uring is used, the most first. An older kernel gets a lower rung.
enum class UringRung {
  deferred,     // SINGLE_ISSUER and DEFER_TASKRUN: Linux 6.1
  cooperative,  // COOP_TASKRUN: Linux 5.19
  plain,        // without multishot accept and buffer rings: Linux 5.17
};

// Of one thread: the one that made it.
class UringRing {
 public:
  // Takes the highest rung from `highest` down that this kernel has; throws SystemError, whose
  // message says why there is no io_uring.
  explicit UringRing(UringRung highest);

  [[nodiscard]] UringRung rung() const noexcept { return rung_; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

  // An empty entry that goes to the kernel with the next enter(), or null when the queue is full.
  io_uring_sqe* next_submission() noexcept;
  // Of the entry that next_submission() gave last: its place in the queue.
  [[nodiscard]] unsigned last_place() const noexcept { return (local_tail_ - 1) & mask_; }
  [[nodiscard]] unsigned capacity() const noexcept { return mask_ + 1; }

  // Submits what there is and waits until `least` completions are there or `timeout` has passed;
  // a negative one is no limit. Gives a negative errno value, -EINTR and -ETIME being no failures.
  int enter(unsigned least, Duration timeout) noexcept;
  // Nothing to submit, nothing to fetch: enter(0) would do nothing.
  [[nodiscard]] bool idle() const noexcept;

  // Completions that are there: the first is at(0). take() drops it.
  [[nodiscard]] unsigned completions() const noexcept;
  [[nodiscard]] const io_uring_cqe& at(unsigned index) const noexcept {
    return completion_entries_[(completion_local_ + index) & completion_mask_];
  }
  void take() noexcept;

 private:
  void map(const io_uring_params& parameters);

  Descriptor descriptor_;
  UringRung rung_ = UringRung::plain;
  Mapping rings_;
  Mapping entries_;

  io_uring_sqe* submissions_ = nullptr;
  unsigned* head_ = nullptr;  // moved by the kernel
  unsigned* tail_ = nullptr;
  unsigned* flags_ = nullptr;
  unsigned mask_ = 0;
  unsigned local_tail_ = 0;

  io_uring_cqe* completion_entries_ = nullptr;
  unsigned* completion_head_ = nullptr;
  unsigned* completion_tail_ = nullptr;  // moved by the kernel
  unsigned completion_mask_ = 0;
  unsigned completion_local_ = 0;
};

// Buffers that belong to no connection: the kernel takes one when bytes have come.
class UringBuffers {
 public:
  static constexpr unsigned count = 256;  // a power of two
  static constexpr unsigned size = 4096;
  static constexpr std::uint16_t group = 0;

  // False: this kernel has none, receives have to do without.
  bool provide(const UringRing& ring);
  [[nodiscard]] bool provided() const noexcept { return ring_ != nullptr; }

  // What the kernel put into buffer `number`; give_back() when it has been copied out.
  [[nodiscard]] const char* data(unsigned number) const noexcept {
    return memory_.data() + std::size_t{number} * size;
  }
  void give_back(unsigned number) noexcept;

 private:
  Mapping table_;
  Mapping memory_;
  io_uring_buf* ring_ = nullptr;
  std::uint16_t tail_ = 0;
};

}  // namespace clearway
