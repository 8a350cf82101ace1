#pragma once

// Says when a loop is blocked, while it is: one thread for all loops of the process, which looks at
// a cache line of each now and then. It sleeps when none of them has anything to do.
//
// Every program that links clearway::inspect has it; CLEARWAY_SLOW sets it (watch_options.hpp).
// Simulated worlds are not watched. Reports are warnings of the log, module "watchdog".

#include <cstdint>
#include <string>
#include <vector>

#include <clearway/inspect/snapshot.hpp>
#include <clearway/inspect/watch_options.hpp>

namespace clearway::inspect {

struct StallReport {
  int thread = 0;  // as the kernel numbers it
  // How long this task has run, or the loop has run tasks without looking for events when none of
  // them took long; and how many of them had their share of this turn before.
  Duration blocked{};
  int callbacks = 0;
  // Of the time in which it was watched: on a processor, and waiting for one.
  Duration watched{};
  Duration processor{};
  Duration starved{};
  // What it does now: "burns CPU", "sleeps in read() on descriptor 7 (pipe:[123])".
  std::string activity;
  // The task that blocks it; frames of those that wait for it behind those of its own.
  std::string task;
  std::vector<FrameView> await_chain;  // the innermost first
  std::vector<StackFrame> stack;       // innermost first; empty when it could not be had; then:
  std::string no_stack;                // why
  std::uint64_t left_out = 0;          // reports since the one before, for their number
};

// The text of a report, several lines.
std::string to_text(const StallReport& report);

// Since the process began, for metrics.
struct StallCounts {
  std::uint64_t stalls = 0;    // loops that were blocked for longer than the threshold
  std::uint64_t reports = 0;   // which a long stall has several of
  std::uint64_t left_out = 0;  // for their number
  Duration longest{};
  Duration total{};
};
StallCounts stall_counts() noexcept;

// Replaces what the environment says, from any thread; for all loops of the process.
void set_watch_options(const WatchOptions& options);
WatchOptions watch_options();

// Where reports go instead of the log; called on a thread of the watchdog's, as a rule while the
// loop is still blocked.
// nullptr: to the log again.
using StallSink = void (*)(const StallReport& report);
void set_stall_sink(StallSink sink) noexcept;

// For root.cpp: loops that come are watched from now on.
void install_watchdog() noexcept;

}  // namespace clearway::inspect
