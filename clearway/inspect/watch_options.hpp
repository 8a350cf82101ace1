#pragma once

// How long a loop may be busy before that is reported, and how.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <clearway/loop/time.hpp>

namespace clearway::inspect {

struct WatchOptions {
  // Zero: loops are not watched.
  Duration threshold = std::chrono::milliseconds(100);
  // Interrupt the thread that is stuck, once per report, to have its C++ stack. A sleep, poll or
  // epoll_wait that is interrupted gives EINTR, whatever the program says of restarting. Without,
  // a report has what /proc knows, and the await chain.
  bool signal = true;
  // Further reports are counted and left out.
  int reports_per_minute = 20;
};

// As CLEARWAY_SLOW has them: "250ms", "1.5s", "off", "signal=off", "250ms,signal=off". nullopt when
// that is not understood.
std::optional<WatchOptions> parse_watch_options(std::string_view text);

// What parse_watch_options() understands, for messages.
std::string watch_options_help();

}  // namespace clearway::inspect
