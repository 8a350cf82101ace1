#include <clearway/task/gather.hpp>

#include <clearway/base/error.hpp>

namespace clearway::detail {

void Pump::pump() noexcept {
  if (pumping_) return;  // a child that ended while it was started: the loop below goes on
  pumping_ = true;
  try {
    if (limit_ == 0) throw UsageError("gather() with a limit of 0 would never start a task");
    // pending_ counts the join itself until close(); afterwards one child more may run.
    while (!exhausted()) {
      if (scope_.cancelled()) {
        interrupted_ = true;
        break;
      }
      const std::size_t running = pending_ - (opening_ ? 1 : 0);
      if (running >= limit_) break;
      start_next();
    }
  } catch (...) {  // the program's function threw instead of giving a task
    fail(std::current_exception());
  }
  pumping_ = false;
}

}  // namespace clearway::detail
