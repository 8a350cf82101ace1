#pragma once

// One line per event on standard error, or wherever the program sends it.

#include <string_view>

namespace clearway::log {

enum class Level { debug, info, warning, error };

// Where lines go; called on the thread that logs, and must not throw.
using Sink = void (*)(Level level, std::string_view module, std::string_view message);

// Replaces the sink and gives the one before; nullptr restores standard error.
Sink set_sink(Sink sink) noexcept;

// Lines below this level are dropped. The default is warning; CLEARWAY_LOG=debug|info|warning|error
// in the environment overrides it.
void set_level(Level level) noexcept;
[[nodiscard]] bool enabled(Level level) noexcept;

// One line, when the level is enabled. `module` says who speaks: "loop", "http".
void write(Level level, std::string_view module, std::string_view message) noexcept;

}  // namespace clearway::log
