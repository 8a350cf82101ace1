#include <clearway/base/log.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace clearway::log {
namespace {

constexpr const char* names[] = {"debug", "info", "warning", "error"};

Level level_from_environment() noexcept {
  const char* text = std::getenv("CLEARWAY_LOG");
  if (text == nullptr) return Level::warning;
  for (int index = 0; index < 4; ++index) {
    if (std::string_view(text) == names[index]) return static_cast<Level>(index);
  }
  return Level::warning;
}

void to_standard_error(Level level, std::string_view module, std::string_view message) {
  std::fprintf(stderr, "clearway %s [%.*s] %.*s\n", names[static_cast<int>(level)],
               static_cast<int>(module.size()), module.data(), static_cast<int>(message.size()),
               message.data());
}

std::atomic<Sink> current_sink = to_standard_error;

std::atomic<Level>& threshold() noexcept {
  static std::atomic<Level> level = level_from_environment();
  return level;
}

}  // namespace

Sink set_sink(Sink sink) noexcept {
  return current_sink.exchange(sink == nullptr ? to_standard_error : sink);
}

void set_level(Level level) noexcept { threshold() = level; }

bool enabled(Level level) noexcept { return level >= threshold().load(std::memory_order_relaxed); }

void write(Level level, std::string_view module, std::string_view message) noexcept {
  if (enabled(level)) current_sink.load()(level, module, message);
}

}  // namespace clearway::log
