#pragma once

#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace clearway {

// A moment of the wall clock; prints as "2027-01-15 08:00:00" in UTC.
struct WallTime {
  std::int64_t nanoseconds = 0;  // since 1970, UTC, without leap seconds

  [[nodiscard]] std::string to_string() const;
  friend constexpr auto operator<=>(const WallTime&, const WallTime&) noexcept = default;
};

// What the clock on the wall says; the world's clock in simulation. For how long something took use
// loop_time(), which never jumps.
WallTime now();

}  // namespace clearway

template <>
struct fmt::formatter<clearway::WallTime> : fmt::formatter<std::string> {
  template <class Context>
  auto format(const clearway::WallTime& time, Context& context) const {
    return fmt::formatter<std::string>::format(time.to_string(), context);
  }
};
