// The thread that watches, and what it knows of each loop. A second thread, from the first report
// on, looks up names and writes: that can take longer than a threshold, and the first goes on
// watching.
//
// Time is counted in the watchdog's own ticks, and a tick that took longer than it should counts as
// one: while the whole process is stopped, or the machine asleep, nobody is blocked.

#include <clearway/inspect/watchdog.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>
#include <unistd.h>
#include <clearway/base/log.hpp>
#include <clearway/inspect/capture.hpp>
#include <clearway/inspect/reader.hpp>
#include <clearway/inspect/symbols.hpp>
#include <clearway/inspect/thread_activity.hpp>

#include <csignal>

namespace clearway::inspect {
namespace {

using Clock = std::chrono::steady_clock;

// What is known of one loop.
struct Watched {
  LoopRecord* record = nullptr;
  std::uint64_t sequence = 0;
  Duration busy{};                      // in the turn of this sequence
  Duration next_report{};               // when it has been busy for so long
  bool reported = false;                // in this turn
  std::optional<ProcessorTimes> times;  // of its thread, when the turn was first met again
  Duration watched{};                   // since then
};

// A report on its way: what needs the thread to stand still is there, names are not.
struct Draft {
  StallReport report;
  std::vector<std::uintptr_t> addresses;
};

class Watchdog {
 public:
  static Watchdog& instance() {
    static Watchdog* const one = new Watchdog;  // outlives every loop and every static object
    return *one;
  }

  void came(LoopRecord& record) {
    if (record.simulated) return;
    start();
    admit_capture();
    wake();
  }
  void wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  }

  void set_options(const WatchOptions& options) {
    {
      const std::lock_guard lock(mutex_);
      options_ = options;
    }
    start();
    wake();
  }
  WatchOptions options() {
    const std::lock_guard lock(mutex_);
    return options_;
  }
  StallCounts counts() {
    const std::lock_guard lock(mutex_);
    return counts_;
  }
  std::atomic<StallSink> sink = nullptr;

 private:
  static constexpr Duration longest_doze = std::chrono::seconds(5);
  static constexpr int idle_ticks_before_doze = 8;

  Watchdog() {
    const char* const text = std::getenv("CLEARWAY_SLOW");
    if (text == nullptr) return;
    if (const auto options = parse_watch_options(text)) {
      options_ = *options;
    } else {
      log::write(log::Level::warning, "watchdog",
                 std::string("CLEARWAY_SLOW=") + text + " is not understood and left out: it is " +
                     watch_options_help());
    }
  }

  void start();
  bool start_thread(void (Watchdog::*work)());
  void watch();
  void report();
  // Waits for a tick, or when nothing happens for longer. Gives what counts as passed.
  Duration wait(Duration tick);
  void look(Duration passed, const WatchOptions& options);
  void look_at(Watched& watched, Duration passed, const WatchOptions& options);
  void begin_turn(Watched& watched, std::uint64_t sequence, Duration passed, Duration threshold);
  void end_stall(const Watched& watched);
  std::optional<Draft> draft(Watched& watched, const WatchOptions& options);
  bool may_report(const WatchOptions& options);
  void hand_over();
  void deliver(Draft& draft);
  void set_sleeping(bool sleeping);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  pid_t process_ = 0;       // that the thread runs in: a fork has none
  bool reporting_ = false;  // the second thread is there
  std::condition_variable handed_over_;
  std::vector<Draft> handed_;
  WatchOptions options_;
  StallCounts counts_;

  // Of the watchdog's thread.
  std::vector<Watched> loops_;
  std::vector<Draft> drafts_;
  bool idle_ = true;  // no loop has begun a turn since the last look
  int idle_ticks_ = 0;
  int reports_ = 0;  // in this minute
  std::uint64_t left_out_ = 0;
  Clock::time_point minute_ = Clock::now();
};

void Watchdog::start() {
  const std::lock_guard lock(mutex_);
  if (process_ == ::getpid() || options_.threshold == Duration::zero()) return;
  prepare_capture();
  reporting_ = false;
  if (start_thread(&Watchdog::watch)) process_ = ::getpid();
}

// It takes no signals: they are for the program's threads.
bool Watchdog::start_thread(void (Watchdog::*work)()) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread([this, work] { (this->*work)(); }).detach();
  } catch (const std::system_error& error) {
    started = false;
    log::write(log::Level::warning, "watchdog",
               std::string("loops are not watched, a thread cannot be had: ") + error.what());
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

void Watchdog::watch() {
  ::pthread_setname_np(::pthread_self(), "clearway-watch");
  for (;;) {
    const WatchOptions options = this->options();
    const Duration threshold = options.threshold;
    const Duration tick = threshold == Duration::zero()
                              ? longest_doze
                              : std::max<Duration>(threshold / 4, std::chrono::milliseconds(1));
    const Duration passed = wait(tick);
    if (threshold == Duration::zero()) continue;
    look(passed, options);
    if (!drafts_.empty()) hand_over();
  }
}

void Watchdog::hand_over() {
  const std::lock_guard lock(mutex_);
  if (!reporting_) reporting_ = start_thread(&Watchdog::report);
  for (Draft& draft : drafts_) handed_.push_back(std::move(draft));
  drafts_.clear();
  handed_over_.notify_one();
}

void Watchdog::report() {
  ::pthread_setname_np(::pthread_self(), "clearway-report");
  std::unique_lock lock(mutex_);
  for (;;) {
    handed_over_.wait(lock, [&] { return !handed_.empty(); });
    std::vector<Draft> drafts;
    drafts.swap(handed_);
    lock.unlock();
    for (Draft& draft : drafts) deliver(draft);
    lock.lock();
  }
}

Duration Watchdog::wait(Duration tick) {
  const bool doze = idle_ && ++idle_ticks_ > idle_ticks_before_doze;
  if (!idle_) idle_ticks_ = 0;
  if (doze) set_sleeping(true);
  const Clock::time_point before = Clock::now();
  std::unique_lock lock(mutex_);
  if (doze) {
    changed_.wait_for(lock, longest_doze, [&] { return woken_; });
    if (woken_) idle_ticks_ = 0;
  } else {
    changed_.wait_for(lock, tick);
  }
  woken_ = false;
  lock.unlock();
  if (doze) set_sleeping(false);
  return doze ? Duration::zero() : std::min<Duration>(Clock::now() - before, tick + tick / 4);
}

// A turn that begins just before this is not noticed; that is made good when the doze ends.
void Watchdog::set_sleeping(bool sleeping) {
  const std::lock_guard lock(loop_registry.mutex);
  for (LoopRecord* record = loop_registry.first; record != nullptr; record = record->next) {
    record->watcher_sleeps.store(sleeping && !record->simulated, std::memory_order_seq_cst);
  }
}

void Watchdog::look(Duration passed, const WatchOptions& options) {
  idle_ = true;
  const std::lock_guard lock(loop_registry.mutex);
  std::erase_if(loops_, [&](const Watched& watched) {
    for (LoopRecord* record = loop_registry.first; record != nullptr; record = record->next) {
      if (record == watched.record) return false;
    }
    if (watched.reported) end_stall(watched);
    return true;
  });
  for (LoopRecord* record = loop_registry.first; record != nullptr; record = record->next) {
    if (record->simulated) continue;
    auto found = std::find_if(loops_.begin(), loops_.end(),
                              [&](const Watched& watched) { return watched.record == record; });
    if (found == loops_.end()) {
      loops_.push_back({});
      found = loops_.end() - 1;
      found->record = record;
    }
    look_at(*found, passed, options);
  }
}

void Watchdog::begin_turn(Watched& watched, std::uint64_t sequence, Duration passed,
                          Duration threshold) {
  if (watched.reported) end_stall(watched);
  LoopRecord* const record = watched.record;
  watched = Watched{};
  watched.record = record;
  watched.sequence = sequence;
  watched.next_report = threshold;
  const auto began = std::chrono::nanoseconds(record->turn_began.load(std::memory_order_relaxed));
  const Duration since = Clock::now().time_since_epoch() - began;
  watched.busy = std::clamp<Duration>(since, Duration::zero(), passed);
}

void Watchdog::look_at(Watched& watched, Duration passed, const WatchOptions& options) {
  const std::uint64_t sequence = watched.record->sequence.load(std::memory_order_acquire);
  if (sequence != watched.sequence) {
    idle_ = false;
    begin_turn(watched, sequence, passed, options.threshold);
    return;
  }
  if ((sequence & 1) == 0) return;
  idle_ = false;
  watched.busy += passed;
  if (!watched.times) {
    watched.times = processor_times(::getpid(), watched.record->thread);
  } else {
    watched.watched += passed;
  }
  if (watched.busy < watched.next_report) return;
  if (auto made = draft(watched, options)) drafts_.push_back(std::move(*made));
}

// Nullopt when there is nothing to report after all: nobody is to blame for a thread that a
// debugger holds, or that gets no processor.
std::optional<Draft> Watchdog::draft(Watched& watched, const WatchOptions& options) {
  const int thread = watched.record->thread;
  Draft draft;
  StallReport& report = draft.report;
  report.activity = thread_activity(::getpid(), thread);
  if (report.activity == "is gone" || report.activity == "is stopped" || traced()) {
    watched.busy = Duration::zero();
    return std::nullopt;
  }
  const auto times = processor_times(::getpid(), thread);
  if (times && watched.times) {
    report.processor = times->on - watched.times->on;
    report.starved = times->waiting - watched.times->waiting;
    report.watched = watched.watched;
  }
  if (watched.busy - report.starved < watched.next_report) return std::nullopt;
  if (!watched.reported) {
    const std::lock_guard lock(mutex_);
    ++counts_.stalls;
  }
  watched.reported = true;
  watched.next_report = 2 * watched.busy;
  if (!may_report(options)) return std::nullopt;

  report.thread = thread;
  report.blocked = watched.busy;
  report.callbacks = watched.record->callbacks.load(std::memory_order_relaxed);
  report.left_out = std::exchange(left_out_, 0);
  Memory memory(::getpid());
  const RunningTask running =
      read_running(memory, clearway_debug_root, reinterpret_cast<Address>(watched.record));
  report.task = running.name;
  report.await_chain = running.await_chain;
  if (options.signal) {
    Capture capture = capture_stack(thread, std::chrono::milliseconds(50));
    draft.addresses = std::move(capture.addresses);
    report.no_stack = capture.failure;
  } else {
    report.no_stack = "signals are off (CLEARWAY_SLOW=signal=off)";
  }
  return draft;
}

bool Watchdog::may_report(const WatchOptions& options) {
  const Clock::time_point now = Clock::now();
  if (now - minute_ > std::chrono::minutes(1)) {
    minute_ = now;
    reports_ = 0;
  }
  const bool may = ++reports_ <= options.reports_per_minute;
  if (!may) ++left_out_;
  const std::lock_guard lock(mutex_);
  ++(may ? counts_.reports : counts_.left_out);
  return may;
}

void Watchdog::deliver(Draft& draft) {
  draft.report.stack = symbolize(draft.addresses);
  if (const StallSink sink = this->sink.load()) {
    sink(draft.report);
  } else {
    log::write(log::Level::warning, "watchdog", to_text(draft.report));
  }
}

void Watchdog::end_stall(const Watched& watched) {
  {
    const std::lock_guard lock(mutex_);
    counts_.longest = std::max(counts_.longest, watched.busy);
    counts_.total += watched.busy;
  }
  log::write(log::Level::info, "watchdog",
             "the loop goes on after " + to_text(watched.busy) + " or a little more");
}

constexpr LoopRegistry::Watcher watcher = {
    [](LoopRecord& record) { Watchdog::instance().came(record); },
    [] { Watchdog::instance().wake(); }};

}  // namespace

void install_watchdog() noexcept { loop_registry.watcher.store(&watcher); }

StallCounts stall_counts() noexcept { return Watchdog::instance().counts(); }
void set_watch_options(const WatchOptions& options) { Watchdog::instance().set_options(options); }
WatchOptions watch_options() { return Watchdog::instance().options(); }
void set_stall_sink(StallSink sink) noexcept { Watchdog::instance().sink.store(sink); }

}  // namespace clearway::inspect
