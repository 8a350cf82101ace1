#pragma once

// One blocking call of a real library, made many times at once, beside something that ticks every
// 10 ms. Prints one line of JSON.
//
// A program's last two arguments are COUNT and, unless it is "fibers" (all of them on one thread,
// beside a task), what they are compared with: "threads", one for each call.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <functional>
#include <mutex>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/clearway.hpp>

namespace libraries {

using clearway::Duration;
using clearway::Instant;
using clearway::loop_time;
using clearway::Task;
using namespace std::chrono_literals;

using Call = std::function<void(int)>;

struct Figures {
  Duration elapsed{};
  Duration slowest{};
  Duration widest_gap{};
  Duration widest_own_gap{};  // without what the ticking thread waited for a processor
  Duration processor{};       // of the whole program
  int ticks = 0;
  int failures = 0;
  std::string first_failure;
};

inline double seconds(Duration length) { return std::chrono::duration<double>(length).count(); }
inline Duration read_clock(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}
inline Duration present() { return read_clock(CLOCK_MONOTONIC); }

// Ends a call that has gone wrong.
[[noreturn]] inline void fail(const std::string& what) { throw std::runtime_error(what); }

inline int report(int count, const Figures& figures, const std::string& how) {
  fmt::print(
      "{{\"calls\": {}, \"elapsed\": {:.4f}, \"slowest\": {:.4f}, \"ticks\": {}, "
      "\"widest_gap\": {:.4f}, \"widest_own_gap\": {:.4f}, \"processor\": {:.4f}, \"failures\": "
      "{}, \"first_failure\": \"{}\", "
      "\"how\": \"{}\"}}\n",
      count, seconds(figures.elapsed), seconds(figures.slowest), figures.ticks,
      seconds(figures.widest_gap), seconds(figures.widest_own_gap), seconds(figures.processor),
      figures.failures, figures.first_failure, how);
  return 0;
}

// Makes one call, and adds what came of it.
inline void make(const Call& call, int number, Figures& figures) {
  const Duration start = present();
  std::string failure;
  try {
    call(number);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  static std::mutex order;
  const std::lock_guard guard(order);
  figures.slowest = std::max(figures.slowest, present() - start);
  if (!failure.empty() && figures.failures++ == 0) figures.first_failure = failure;
}

// Notes how regularly its thread comes by.
class Ticker {
 public:
  explicit Ticker(Figures& figures) : figures_(figures) {}
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  void tick() {
    const Duration now = present();
    const Duration delay = read_delay();
    const Duration gap = now - before_;
    figures_.widest_gap = std::max(figures_.widest_gap, gap);
    figures_.widest_own_gap = std::max(figures_.widest_own_gap, gap - (delay - delay_));
    ++figures_.ticks;
    before_ = now;
    delay_ = delay;
  }
  // Until the next one.
  [[nodiscard]] Duration left() const { return before_ + 10ms - present(); }

 private:
  // How long this thread has been ready to run, and has not run: the second number of schedstat.
  [[nodiscard]] Duration read_delay() const {
    char text[64] = {};
    if (::pread(statistics_.get(), text, sizeof text - 1, 0) <= 0) return Duration::zero();
    long long run = 0;
    long long delay = 0;
    std::sscanf(text, "%lld %lld", &run, &delay);
    return Duration(delay);
  }

  Figures& figures_;
  clearway::Descriptor statistics_{::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)};
  Duration before_ = present();
  Duration delay_ = read_delay();
};

inline Task<> tick(Figures& figures) {
  Ticker ticker(figures);
  for (;;) {
    co_await clearway::sleep(10ms);
    ticker.tick();
  }
}

inline Task<> call_all(int count, Call& call, Figures& figures) {
  const auto body = [&](int number) {
    // All begin in the ready queue, as calls of a real program do.
    clearway::fiber::await(clearway::yield());
    make(call, number, figures);
  };
  const auto on_fiber = [&](int number) { return clearway::fiber::run(body, number); };
  const auto range = std::views::iota(0, count);
  co_await clearway::gather(range, on_fiber);
}

inline Task<> on_fibers(int count, Call& call, Figures& figures, std::string& driver) {
  driver = clearway::Loop::current().driver().name();
  co_await clearway::race(tick(figures), call_all(count, call, figures));
}

inline void in_threads(int count, const Call& call, Figures& figures) {
  std::atomic<int> left = count;
  std::vector<std::thread> threads;
  for (int number = 0; number < count; ++number) {
    threads.emplace_back([&, number] {
      make(call, number, figures);
      --left;
    });
  }
  Ticker ticker(figures);
  while (left > 0) {
    std::this_thread::sleep_for(10ms);
    ticker.tick();
  }
  for (std::thread& thread : threads) thread.join();
}

// Takes the time and the processor's.
template <class Work>
Figures measure(Work work) {
  Figures figures;
  const Duration start = present();
  const Duration processor = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  work(figures);
  figures.elapsed = present() - start;
  figures.processor = read_clock(CLOCK_PROCESS_CPUTIME_ID) - processor;
  return figures;
}

// The body of main(); `rest` are its last arguments. `call` throws when the library says that it
// has failed.
inline int run_calls(char** rest, Call call) {
  if (rest[0] == nullptr || !clearway::fiber::hooks_in_force()) return 2;
  const int count = std::atoi(rest[0]);
  if (rest[1] != nullptr && std::string(rest[1]) == "threads") {
    return report(count, measure([&](Figures& all) { in_threads(count, call, all); }), "threads");
  }
  std::string driver;
  int status = 0;
  const Figures figures = measure([&](Figures& all) {
    const auto amain = [&]() -> Task<> { co_await on_fibers(count, call, all, driver); };
    status = clearway::run_main(amain());
  });
  return status != 0 ? status : report(count, figures, "fibers, " + driver);
}

}  // namespace libraries
