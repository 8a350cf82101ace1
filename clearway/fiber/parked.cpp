#include <clearway/fiber/parked.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace clearway::detail {
namespace {

// How many wait, over all loops, by bucket: nobody, nearly always.
std::array<std::atomic<std::uint32_t>, 1024> waiting;
// Orders closings and waits: a number may be another descriptor's by the time that a loop is told.
std::atomic<std::uint64_t> closings = 1;

struct Registry {
  std::mutex mutex;
  std::vector<std::pair<ParkedTable*, std::shared_ptr<Mailbox>>> tables;
};
Registry& registry() {
  static Registry* const forever = new Registry;  // threads may close descriptors at the very end
  return *forever;
}

}  // namespace

ParkedTable::ParkedTable(Loop& loop) : loop_(loop) {
  Registry& all = registry();
  const std::lock_guard guard(all.mutex);
  all.tables.emplace_back(this, loop.mailbox());
}

ParkedTable::~ParkedTable() {
  Registry& all = registry();
  const std::lock_guard guard(all.mutex);
  std::erase_if(all.tables, [this](const auto& entry) { return entry.first == this; });
}

void ParkedTable::add(Parked& parked, int number) noexcept {
  parked.number_ = number;
  parked.since_ = closings.load(std::memory_order_relaxed);
  parked_[bucket_of(number)].push_back(parked);
  waiting[bucket_of(number)].fetch_add(1, std::memory_order_relaxed);
}

void ParkedTable::remove(Parked& parked) noexcept {
  if (!parked.linked()) return;
  parked.unlink();
  waiting[bucket_of(parked.number_)].fetch_sub(1, std::memory_order_relaxed);
}

// Whoever is told unlinks itself, and perhaps others beside it: the list is looked at anew.
void ParkedTable::tell(int number, std::uint64_t before) noexcept {
  for (;;) {
    Parked* found = nullptr;
    parked_[bucket_of(number)].for_each([&](Parked& parked) {
      if (parked.number_ == number && parked.since_ < before) found = &parked;
    });
    if (found == nullptr) return;
    found->closing();
  }
}

bool ParkedTable::may_wait_for(int number) noexcept {
  return number >= 0 && waiting[bucket_of(number)].load(std::memory_order_relaxed) > 0;
}

void ParkedTable::announce_closing(int number) noexcept {
  if (!may_wait_for(number)) return;
  const std::uint64_t closing = closings.fetch_add(1, std::memory_order_relaxed) + 1;
  Loop* const here = Loop::current_or_null();
  if (here != nullptr) here->service<ParkedTable>().tell(number, closing);
  if (!may_wait_for(number)) return;
  Registry& all = registry();
  const std::lock_guard guard(all.mutex);
  for (const auto& [table, mailbox] : all.tables) {
    if (here != nullptr && &table->loop_ == here) continue;
    try {
      mailbox->post(
          [number, closing] { Loop::current().service<ParkedTable>().tell(number, closing); });
    } catch (const std::bad_alloc&) {
      return;  // they wait on, as threads would
    }
  }
}

}  // namespace clearway::detail
