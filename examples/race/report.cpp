#include "report.hpp"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/json.hpp>

namespace {

// Over the blocking mode, request for request, since that may have made fewer.
std::optional<double> speedup(const ModeResult& result, const std::vector<ModeResult>& all) {
  for (const ModeResult& other : all) {
    if (other.mode != "blocking") continue;
    return other.seconds / other.requests / (result.seconds / result.requests);
  }
  return std::nullopt;
}

}  // namespace

Progress::Progress(std::string_view mode, int total)
    : mode_(mode), total_(total), terminal_(::isatty(STDOUT_FILENO) == 1) {}

void Progress::step() {
  ++done_;
  if (!terminal_) return;
  constexpr int width = 40;
  const int filled = width * done_ / total_;
  fmt::print("\r{:<11}[{:#<{}}{:.<{}}] {}/{}", mode_, "", filled, "", width - filled, done_,
             total_);
  std::fflush(stdout);
}

void Progress::finish(double seconds) {
  if (terminal_) {
    fmt::print("  {:.2f} s\n", seconds);
  } else {
    fmt::print("{}: {} requests in {:.2f} s\n", mode_, done_, seconds);
  }
}

void print_table(const std::vector<ModeResult>& results) {
  fmt::print("\n{:<11} {:>8} {:>9} {:>9} {:>18}\n", "mode", "requests", "seconds", "speed-up",
             "over slowest answer");
  for (const ModeResult& result : results) {
    const auto factor = speedup(result, results);
    fmt::print("{:<11} {:>8} {:>9.2f} {:>9} {:>18.2f}\n", result.mode, result.requests,
               result.seconds, factor ? fmt::format("{:.1f} x", *factor) : "-",
               result.seconds / result.slowest);
  }
}

void write_json(const std::string& path, const std::vector<ModeResult>& results) {
  nlohmann::json modes = nlohmann::json::object();
  for (const ModeResult& result : results) {
    nlohmann::json& mode = modes[result.mode];
    mode["requests"] = result.requests;
    mode["seconds"] = result.seconds;
    const auto factor = speedup(result, results);
    mode["speedup"] = factor ? nlohmann::json(*factor) : nlohmann::json();
    mode["over_slowest"] = result.seconds / result.slowest;
  }
  const std::string text = nlohmann::json{{"modes", modes}}.dump(2) + "\n";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"),
                                                             std::fclose);
  if (file == nullptr || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
      std::fflush(file.get()) != 0) {
    throw clearway::SystemError("cannot write " + path, errno);
  }
}
