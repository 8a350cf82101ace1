#pragma once

// Which descriptors the fibers of a loop wait for. The kernel says nothing to those who wait for a
// descriptor that is closed: the hook of close() asks here, and they fail with EBADF.

#include <array>
#include <cstdint>
#include <memory>

#include <clearway/base/list.hpp>
#include <clearway/loop/loop.hpp>

namespace clearway::detail {

struct ParkedTag;

// One descriptor that somebody waits for.
class Parked : public ListNode<ParkedTag> {
 public:
  // Called on the loop's thread, when it is about to be closed; unlinks itself.
  virtual void closing() noexcept = 0;

 protected:
  ~Parked() = default;

 private:
  friend class ParkedTable;
  int number_ = -1;
  std::uint64_t since_ = 0;
};

class ParkedTable final : public LoopService {
 public:
  explicit ParkedTable(Loop& loop);
  ~ParkedTable() override;

  void add(Parked& parked, int number) noexcept;
  void remove(Parked& parked) noexcept;

  // False: nobody waits for this number, on any loop.
  static bool may_wait_for(int number) noexcept;
  // From any thread, before descriptor `number` is closed: tells who waits for it. Those of other
  // loops are told soon.
  static void announce_closing(int number) noexcept;

 private:
  static constexpr std::size_t buckets = 1024;
  static std::size_t bucket_of(int number) noexcept {
    return static_cast<std::size_t>(number) % buckets;
  }
  // Tells those who have waited since before the closing numbered `before`.
  void tell(int number, std::uint64_t before) noexcept;

  Loop& loop_;
  std::array<List<Parked, ParkedTag>, buckets> parked_;
};

}  // namespace clearway::detail
