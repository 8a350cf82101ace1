#pragma once

// Runs a few threads in every order that matters: one at a time, switched at the points where they
// touch what they share. Those are the locks of mutexes (the test's binary has pthread_mutex_lock
// and pthread_mutex_unlock of its own) and whatever says point(). An order in which a lock is never
// given back, or a loop is never woken, is found as a deadlock and printed.
//
// The orders are those of sequential consistency, with at most `preemptions` switches away from a
// thread that could have gone on (as in Microsoft's CHESS: few are needed for almost every bug).
// Weaker orders of memory are ThreadSanitizer's to find.

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace clearway::model {

// One program: its threads, and what must hold when all have ended.
struct Program {
  std::vector<std::function<void()>> threads;
  std::function<void()> check;
};

struct Outcome {
  std::size_t orders = 0;
  bool complete = true;  // false: there were more than the limit
  std::string deadlock;  // the order that led to one; empty: none did
};

// Runs `make()`'s program in every order. It must do the same whenever it meets the same order.
Outcome explore(const std::function<Program()>& make, int preemptions = 2,
                std::size_t most_orders = 200'000);

// Another thread of the program may run here. Does nothing on other threads.
void point() noexcept;
// Waits until `condition`, which only looks, holds.
void wait_until(const std::function<bool()>& condition);

}  // namespace clearway::model
