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
#include <memory>
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
#include <clearway/loop/fork.hpp>

#include <csignal>

namespace clearway::inspect {
namespace {

using Clock = std::chrono::steady_clock;

// What is known of one loop.
struct Watched {
  LoopRecord* record = nullptr;
  std::uint64_t sequence = 0;
  int callbacks = 0;
  Duration turn{};                      // how long the turn of this sequence has taken
  Duration call{};                      // and what it runs now, as far as that was seen
  Duration next_report{};               // when that call has taken so long
  bool call_reported = false;           // this call
  bool turn_reported = false;           // anything of this turn
  std::optional<ProcessorTimes> times;  // of its thread, when the call was first met again
  Clock::time_point met;                // then
  Duration watched{};                   // since then, in ticks
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
  void before_fork() { mutex_.lock(); }
  void after_fork(bool in_child);
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
  void finish();
  void deliver(Draft& draft);
  bool fall_asleep();
  void ask_to_be_woken(bool ask);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  std::atomic<pid_t> process_ = 0;  // that the thread runs in: a fork has none
  bool reporting_ = false;          // the second thread is there
  std::condition_variable handed_over_;
  std::vector<Draft> handed_;
  std::size_t undelivered_ = 0;
  std::condition_variable delivered_;
  WatchOptions options_;
  StallCounts counts_;

  // Of the watchdog's thread.
  std::vector<Watched> loops_;
  std::vector<Draft> drafts_;
  std::vector<Duration> ended_;              // stalls
  Clock::time_point waited_ = Clock::now();  // when the last wait ended
  bool idle_ = true;                         // no loop has begun a turn since the last look
  int idle_ticks_ = 0;
  int reports_ = 0;  // in this minute
  std::uint64_t left_out_ = 0;
  Clock::time_point minute_ = Clock::now();
};

// A fork has one thread, and locks as they were: the watchdog's is free when it begins, and nobody
// waits at its conditions any more.
void Watchdog::after_fork(bool in_child) {
  if (in_child) {
    std::construct_at(&changed_);
    std::construct_at(&handed_over_);
    std::construct_at(&delivered_);
    process_ = 0;
    handed_.clear();
    undelivered_ = 0;
    loops_.clear();
    drafts_.clear();
    ended_.clear();
    idle_ = true;
    idle_ticks_ = 0;
  }
  mutex_.unlock();
}

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
    for (const Duration length : std::exchange(ended_, {})) {  // with nothing locked
      log::write(log::Level::info, "watchdog",
                 "the loop goes on after " + to_text(length) + " or a little more");
    }
    if (!drafts_.empty()) hand_over();
  }
}

void Watchdog::hand_over() {
  const std::lock_guard lock(mutex_);
  if (!reporting_) {
    reporting_ = start_thread(&Watchdog::report);
    if (reporting_) std::atexit([] { Watchdog::instance().finish(); });
  }
  undelivered_ += drafts_.size();
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
    undelivered_ -= drafts.size();
    delivered_.notify_all();
  }
}

// The program ends: what is on its way is still said.
void Watchdog::finish() {
  constexpr Duration patience = std::chrono::seconds(2);
  if (process_ != ::getpid()) return;  // a fork, whose mutex nobody will unlock
  std::unique_lock lock(mutex_);
  delivered_.wait_for(lock, patience, [&] { return undelivered_ == 0; });
}

Duration Watchdog::wait(Duration tick) {
  idle_ticks_ = idle_ ? idle_ticks_ + 1 : 0;
  const bool doze = idle_ticks_ > idle_ticks_before_doze && fall_asleep();
  const Clock::time_point before = Clock::now();
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, doze ? longest_doze : tick, [&] { return woken_; })) {
    woken_ = false;
    idle_ticks_ = 0;
  }
  lock.unlock();
  const Clock::time_point now = Clock::now();
  const Clock::time_point last = std::exchange(waited_, now);
  if (!doze) {
    constexpr Duration longest_look = std::chrono::milliseconds(100);  // at threads that come late
    return std::min<Duration>(before - last, longest_look) +
           std::min<Duration>(now - before, tick + tick / 4);
  }
  ask_to_be_woken(false);
  return Duration::zero();
}

// From now on turns wake the watchdog. False when there has been one since the last look; one that
// begins at this very moment may be missed, which is made good when the doze ends.
bool Watchdog::fall_asleep() {
  ask_to_be_woken(true);
  const std::lock_guard lock(loop_registry.mutex);
  for (LoopRecord* record = loop_registry.first; record != nullptr; record = record->next) {
    if (record->simulated) continue;
    const std::uint64_t sequence = record->sequence.load(std::memory_order_seq_cst);
    const bool known = std::any_of(loops_.begin(), loops_.end(), [&](const Watched& watched) {
      return watched.record == record && watched.sequence == sequence;
    });
    if (!known) return false;
  }
  return true;
}

void Watchdog::ask_to_be_woken(bool ask) {
  const std::lock_guard lock(loop_registry.mutex);
  for (LoopRecord* record = loop_registry.first; record != nullptr; record = record->next) {
    record->watcher_sleeps.store(ask && !record->simulated, std::memory_order_seq_cst);
  }
}

void Watchdog::look(Duration passed, const WatchOptions& options) {
  idle_ = true;
  const std::lock_guard lock(loop_registry.mutex);
  std::erase_if(loops_, [&](const Watched& watched) {
    for (LoopRecord* record = loop_registry.first; record != nullptr; record = record->next) {
      if (record == watched.record) return false;
    }
    if (watched.turn_reported) end_stall(watched);
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
  if (watched.turn_reported) end_stall(watched);
  LoopRecord* const record = watched.record;
  watched = Watched{};
  watched.record = record;
  watched.sequence = sequence;
  watched.next_report = threshold;
  watched.callbacks = record->callbacks.load(std::memory_order_relaxed);
  const auto began = std::chrono::nanoseconds(record->turn_began.load(std::memory_order_relaxed));
  const Duration since = Clock::now().time_since_epoch() - began;
  watched.turn = std::clamp<Duration>(since, Duration::zero(), passed);
  if (watched.callbacks == 0) watched.call = watched.turn;
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
  watched.turn += passed;
  const int callbacks = watched.record->callbacks.load(std::memory_order_relaxed);
  if (callbacks != watched.callbacks) {  // another task has its share of the same turn
    watched.callbacks = callbacks;
    watched.call = watched.watched = Duration::zero();
    watched.call_reported = false;
    watched.times.reset();
    watched.next_report = options.threshold;
  } else {
    watched.call += passed;
    if (watched.times) watched.watched += passed;
    if (!watched.times) {
      watched.times = processor_times(::getpid(), watched.record->thread);
      watched.met = Clock::now();
    }
  }
  // One task that is slow; or many that are quick, and their turn takes too long.
  const bool long_turn = !watched.turn_reported && watched.turn >= options.threshold;
  if (watched.call < watched.next_report && !long_turn) return;
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
    watched.turn = watched.call = Duration::zero();
    return std::nullopt;
  }
  const auto times = processor_times(::getpid(), thread);
  if (times && watched.times) {
    // The kernel's time goes on while the watchdog gets no processor itself; its ticks do not.
    const std::chrono::duration<double> passed = Clock::now() - watched.met;
    const double share = std::min(1.0, std::chrono::duration<double>(watched.watched) / passed);
    const auto in_ticks = [&](Duration length) {
      return std::chrono::duration_cast<Duration>(length * share);
    };
    report.processor = in_ticks(times->on - watched.times->on);
    report.starved = in_ticks(times->waiting - watched.times->waiting);
    report.watched = watched.watched;
  }
  const bool slow_call = watched.call >= watched.next_report;
  report.blocked = slow_call ? watched.call : watched.turn;
  const Duration least = slow_call ? watched.next_report : options.threshold;
  const Duration own = report.blocked - report.starved;
  if (own < least) return std::nullopt;
  if (!watched.call_reported) {
    const std::lock_guard lock(mutex_);
    ++counts_.stalls;
  }
  watched.turn_reported = watched.call_reported = true;
  watched.next_report = 2 * std::max(slow_call ? own : watched.call, options.threshold);
  if (!may_report(options)) return std::nullopt;

  report.thread = thread;
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
    counts_.longest = std::max(counts_.longest, watched.turn);
    counts_.total += watched.turn;
  }
  ended_.push_back(watched.turn);
}

constexpr LoopRegistry::Watcher watcher = {
    [](LoopRecord& record) { Watchdog::instance().came(record); },
    [] { Watchdog::instance().wake(); }};
constexpr ForkWatcher forks = {[] { Watchdog::instance().before_fork(); },
                               [](bool in_child) { Watchdog::instance().after_fork(in_child); }};

}  // namespace

void install_watchdog() noexcept {
  fork_watcher.store(&forks);
  loop_registry.watcher.store(&watcher);
}

StallCounts stall_counts() noexcept { return Watchdog::instance().counts(); }
void set_watch_options(const WatchOptions& options) { Watchdog::instance().set_options(options); }
WatchOptions watch_options() { return Watchdog::instance().options(); }
void set_stall_sink(StallSink sink) noexcept { Watchdog::instance().sink.store(sink); }

}  // namespace clearway::inspect
