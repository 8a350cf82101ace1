#include <clearway/task/gather.hpp>

#include <algorithm>

#include <clearway/base/error.hpp>

namespace clearway::detail {

namespace {

// Says when starting children has taken so long that others should have their turn. Looks at the
// clock rarely while children start quickly.
class Patience {
 public:
  explicit Patience(Loop& loop) noexcept : loop_(loop), began_(loop.now()), looked_(began_) {}

  bool is_over() noexcept {
    if (--left_ > 0) return false;
    const Instant now = loop_.now();
    interval_ = now - looked_ < quick ? std::min(2 * interval_, most_unseen) : 1;
    left_ = interval_;
    looked_ = now;
    return now - began_ > longest;
  }

 private:
  static constexpr Duration longest = std::chrono::milliseconds(2);
  static constexpr Duration quick = std::chrono::microseconds(100);
  static constexpr int most_unseen = 32;

  Loop& loop_;
  Instant began_;
  Instant looked_;
  int interval_ = 1;
  int left_ = 1;
};

}  // namespace

void Pump::pump() noexcept {
  // A child that ended while it was started: the loop below goes on.
  if (pumping_ || resting_) return;
  pumping_ = true;
  try {
    if (limit_ == 0) throw UsageError("gather() with a limit of 0 would never start a task");
    start_some();
  } catch (...) {  // the program's function threw instead of giving a task
    fail(std::current_exception());
  }
  pumping_ = false;
}

void Pump::start_some() {
  Patience patience(*Loop::current_or_null());
  while (!exhausted()) {
    if (scope_.cancelled()) {
      interrupted_ = true;
      return;
    }
    // pending_ counts the join itself until close(); afterwards one child more may run.
    const std::size_t running = pending_ - (opening_ ? 1 : 0);
    if (running >= limit_) return;
    if (patience.is_over()) return rest();
    start_next();
  }
}

void Pump::rest() noexcept {
  resting_ = true;
  ++pending_;
  Loop& loop = *Loop::current_or_null();
  loop.ready(*this);
  loop.end_turn();  // timers and sockets first
}

void Pump::run() {
  resting_ = false;
  opening_ = true;
  pump();
  if (!close()) resume(*parent_);
}

}  // namespace clearway::detail
