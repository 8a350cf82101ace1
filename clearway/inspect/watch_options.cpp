#include <clearway/inspect/watch_options.hpp>

#include <charconv>
#include <cmath>

namespace clearway::inspect {
namespace {

std::optional<Duration> parse_length(std::string_view text) {
  double number = 0;
  const auto [rest, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  constexpr double longest = 1e6;  // seconds
  double seconds = -1;
  if (unit == "ms") seconds = number / 1e3;
  if (unit == "s") seconds = number;
  if (code != std::errc() || !(seconds >= 0.001) || seconds > longest) return std::nullopt;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

std::optional<WatchOptions> parse_watch_options(std::string_view text) {
  WatchOptions options;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word == "off") {
      options.threshold = Duration::zero();
    } else if (word == "signal=off") {
      options.signal = false;
    } else if (word == "signal=on") {
      options.signal = true;
    } else if (const auto length = parse_length(word)) {
      options.threshold = *length;
    } else {
      return std::nullopt;
    }
  }
  return options;
}

std::string watch_options_help() {
  return "a time such as 250ms or 1.5s, of at least a millisecond, `off`, `signal=off`, or several "
         "of them with commas";
}

}  // namespace clearway::inspect
