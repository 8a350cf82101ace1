#pragma once

#include <string>
#include <string_view>
#include <vector>

// What one mode of the race took.
struct ModeResult {
  std::string mode;
  int requests = 0;
  double seconds = 0;
  double slowest = 0;  // seconds of the slowest single answer
};

// The progress of one mode: a bar that is drawn over and over on a terminal, one line otherwise.
class Progress {
 public:
  Progress(std::string_view mode, int total);
  void step();
  void finish(double seconds);

 private:
  std::string mode_;
  int total_;
  int done_ = 0;
  bool terminal_;
};

void print_table(const std::vector<ModeResult>& results);

// {"modes": {NAME: {"requests", "seconds", "speedup", "over_slowest"}}}; speedup is null when the
// blocking mode did not run. Throws clearway::SystemError when the file cannot be written.
void write_json(const std::string& path, const std::vector<ModeResult>& results);
