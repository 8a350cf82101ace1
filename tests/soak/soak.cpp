// Mixed work with random cancellations for as long as one likes:
//   soak DRIVER [MINUTES] [SEED]     DRIVER is epoll, uring or simulated
// Prints a line a second. After each few seconds all work ends, and what it took must be given
// back: descriptors, frames, timers. What malloc() has given out by then must stay where it was
// after the warm-up, and the resident memory near it: an allocator is never quite done with its own
// order. The exit status tells.

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <bench/support/clock.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <fmt/format.h>
#include <clearway/base/frame_memory.hpp>
#include <clearway/loop/epoll_driver.hpp>
#include <clearway/loop/uring_driver.hpp>
#include <clearway/os/file.hpp>
#include <clearway/task/race.hpp>
#include <clearway/task/simulate.hpp>
#include <tests/soak/work.hpp>

namespace clearway::soak {
namespace {

using namespace std::chrono_literals;

constexpr double mebibyte = 1024.0 * 1024;
constexpr int workers = 24;
constexpr Duration epoch = 2s;

// What malloc() has given out, without the slabs of the frames: these grow with each new peak.
double heap_in_use() {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd - frame_memory::slab_bytes()) / mebibyte;
}

// The middle of the first and of the last third.
struct Trend {
  explicit Trend(const std::vector<double>& values) {
    if (values.size() < 6) return;
    const auto third = static_cast<std::ptrdiff_t>(values.size() / 3);
    early = middle({values.begin(), values.begin() + third});
    late = middle({values.end() - third, values.end()});
  }
  static double middle(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
    return values[values.size() / 2];
  }
  double early = 0;
  double late = 0;
};

// What must not grow.
struct Levels {
  std::ptrdiff_t descriptors = 0;
  std::ptrdiff_t frames = 0;
  std::size_t handles = 0;
  std::size_t timers = 0;

  static Levels now(Loop* loop) {
    Levels levels;
    const std::filesystem::directory_iterator all("/proc/self/fd");
    levels.descriptors = std::distance(begin(all), end(all)) - 1;  // the one that looks
    levels.frames = frame_memory::live_blocks();
    if (loop != nullptr) {
      levels.handles = loop->driver().open_handles();
      levels.timers = loop->timers().size();
    }
    return levels;
  }
  [[nodiscard]] bool within(const Levels& other) const {
    return descriptors <= other.descriptors && frames <= other.frames && handles <= other.handles &&
           timers <= other.timers;
  }
  [[nodiscard]] std::string to_string() const {
    return fmt::format("descriptors {:>4}  frames {:>5}  sockets {:>3}  timers {:>4}", descriptors,
                       frames, handles, timers);
  }
};

// A folder that is gone with the program.
class Folder {
 public:
  Folder() { created_ = ::mkdtemp(path_.data()) != nullptr; }
  ~Folder() {
    std::error_code ignored;
    if (created_) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_ = "/tmp/clearway-soak-XXXXXX";
  bool created_ = false;
};

class Soak {
 public:
  Soak(std::string driver, Duration length, std::uint64_t seed)
      : driver_(std::move(driver)), length_(length), seed_(seed) {}

  // The exit status.
  int run();

 private:
  Task<> on_a_loop();
  Task<> epochs(Servers& servers);
  Task<> settle(bool warm);
  Task<> report_every_second();
  void in_simulated_worlds();
  void say(const std::string& levels);
  void note_memory();
  [[nodiscard]] int verdict() const;
  [[nodiscard]] double seconds() const {
    return static_cast<double>(bench::wall_nanoseconds() - began_) / 1e9;
  }
  [[nodiscard]] double whole() const { return std::chrono::duration<double>(length_).count(); }
  // Two minutes, or half of a shorter time: so long the caches of names, of buffers, and those that
  // malloc() keeps for each thread go on filling.
  [[nodiscard]] bool warming_up() const { return seconds() < std::min(120.0, whole() / 2); }

  std::string driver_;
  Duration length_;
  std::uint64_t seed_;
  std::int64_t began_ = bench::wall_nanoseconds();
  double said_ = 0;
  Folder folder_;
  Tally tally_;
  Levels base_;
  bool leaked_ = false;
  std::vector<double> memory_;  // resident, after the warm-up, in MiB
  std::vector<double> heap_;    // the same that malloc() has given out
};

void Soak::say(const std::string& levels) {
  said_ = seconds();
  fmt::print(
      "{:>5.0f} s  {}  done {:>7}  cancelled {:>7}  failed {}  memory {:.1f} MiB  malloc {:.2f} "
      "MiB  {}\n",
      said_, driver_, tally_.done, tally_.cancelled, tally_.failed,
      static_cast<double>(bench::resident_bytes()) / mebibyte, heap_in_use(), levels);
  std::fflush(stdout);
}

void Soak::note_memory() {
  if (warming_up()) return;
  memory_.push_back(static_cast<double>(bench::resident_bytes()) / mebibyte);
  heap_.push_back(heap_in_use());
}

// Waits until what the work took has been given back; after the warm-up it must be.
Task<> Soak::settle(bool warm) {
  Loop& loop = Loop::current();
  const Instant limit = after(loop.now(), 20s);
  int calm = 0;
  for (Levels before; loop.now() < limit;) {
    co_await sleep(20ms);
    const Levels levels = Levels::now(&loop);
    if (warm && levels.within(base_)) co_return;
    calm = levels.within(before) && before.within(levels) ? calm + 1 : 0;
    before = levels;
    if (!warm && calm >= 25) {
      base_ = levels;
      co_return;
    }
  }
  if (!warm) co_return;
  leaked_ = true;
  fmt::print("LEAK: after the warm-up {}\n      now               {}\n", base_.to_string(),
             Levels::now(&loop).to_string());
}

Task<> Soak::epochs(Servers& servers) {
  co_await write_file(folder_.path() + "/web.bin", pattern(Servers::file_size));
  Work work(servers, tally_, seed_);
  while (seconds() < whole() && !leaked_) {
    const bool warm = !warming_up();
    co_await work.run(workers, epoch);
    co_await settle(warm);
    note_memory();
  }
}

Task<> Soak::report_every_second() {
  for (;;) {
    co_await sleep(1s);
    say(Levels::now(&Loop::current()).to_string());
  }
}

Task<> Soak::on_a_loop() {
  Servers servers(folder_.path());
  co_await race(servers.run(), epochs(servers), report_every_second());
}

// World after world; each has to end with nothing left of it, or sim::run() throws.
void Soak::in_simulated_worlds() {
  base_ = Levels::now(nullptr);
  for (std::uint64_t seed = seed_; seconds() < whole(); ++seed) {
    SimulationOptions options;
    options.seed = seed;
    options.datagram_loss = 5;
    sim::run(options, [&]() -> Task<> {
      Servers servers(folder_.path());
      const auto some = [&]() -> Task<> {
        co_await write_file(folder_.path() + "/web.bin", pattern(Servers::file_size));
        Work work(servers, tally_, seed);
        co_await work.run(workers / 4, 20ms);
      };
      co_await race(servers.run(), some());
    });
    note_memory();
    const Levels levels = Levels::now(nullptr);
    if (!warming_up() && !levels.within(base_)) {
      leaked_ = true;
      fmt::print("LEAK: seed {}, {}\n", seed, levels.to_string());
      return;
    }
    if (warming_up()) base_ = levels;
    if (seconds() - said_ >= 1) say(levels.to_string());
  }
}

int Soak::verdict() const {
  for (const auto& [text, count] : tally_.failures)
    fmt::print("FAILED {} times: {}\n", count, text);
  for (const auto& [kind, count] : tally_.by_kind) fmt::print("  {:<14} {:>8}\n", kind, count);
  const Trend memory(memory_);
  const Trend heap(heap_);
  fmt::print("resident memory: {:.1f} MiB after the warm-up, {:.1f} MiB at the end\n", memory.early,
             memory.late);
  fmt::print("given out by malloc(): {:.3f} MiB after the warm-up, {:.3f} MiB at the end\n",
             heap.early, heap.late);
  fmt::print("slabs for frames: {:.3f} MiB\n",
             static_cast<double>(frame_memory::slab_bytes()) / mebibyte);
  const bool grew = heap.late > heap.early * 1.05 + 0.25 || memory.late > memory.early * 1.1 + 2;
  const bool good = !leaked_ && !grew && tally_.failed == 0 && tally_.done > 0;
  fmt::print("{}: {} for {:.0f} s: {} done, {} cancelled, {} failed{}{}\n", good ? "GOOD" : "BAD",
             driver_, seconds(), tally_.done, tally_.cancelled, tally_.failed,
             leaked_ ? ", something is not given back" : "", grew ? ", memory grows" : "");
  return good ? 0 : 1;
}

int Soak::run() {
  fmt::print("soak on {}, seed {}\n", driver_, seed_);
  if (driver_ == "simulated") {
    in_simulated_worlds();
  } else if (driver_ == "epoll") {
    clearway::run(on_a_loop(), std::make_unique<EpollDriver>());
  } else {
    clearway::run(on_a_loop(), std::make_unique<UringDriver>());
  }
  return verdict();
}

}  // namespace
}  // namespace clearway::soak

int main(int count, char** arguments) {
  const std::string driver = count > 1 ? arguments[1] : "";
  const double minutes = count > 2 ? std::atof(arguments[2]) : 10;
  const std::uint64_t seed = count > 3 ? std::strtoull(arguments[3], nullptr, 10) : 1;
  if ((driver != "epoll" && driver != "uring" && driver != "simulated") || minutes <= 0) {
    std::fputs("soak DRIVER [MINUTES] [SEED]; the drivers are epoll, uring and simulated\n",
               stderr);
    return 2;
  }
  // A report on a blocked loop reads all symbols, which are then in the memory that is watched; and
  // the machine may be slow.
  ::setenv("CLEARWAY_SLOW", "off", 0);
  try {
    const auto length =
        std::chrono::duration_cast<clearway::Duration>(std::chrono::duration<double>(minutes * 60));
    clearway::soak::Soak soak(driver, length, seed);
    return soak.run();
  } catch (const std::exception& error) {
    fmt::print("BAD: {}: {}\n", driver, error.what());
    return 1;
  }
}
