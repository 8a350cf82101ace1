#include <clearway/task/thread_pool.hpp>

#include <algorithm>

#include <pthread.h>
#include <csignal>
#include <system_error>
#include <thread>

#include <clearway/base/error.hpp>

namespace clearway::detail {

namespace {

// While it lives, threads are made without signals: those are the loop's, whose thread handles
// them.
class WithoutSignals {
 public:
  WithoutSignals() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;
  ~WithoutSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

ThreadPool::ThreadPool(Loop& loop) : state_(std::make_shared<State>()) { (void)loop; }

ThreadPool::~ThreadPool() {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->work.notify_all();
  state_->ended.wait(lock, [&] { return state_->threads <= state_->abandoned; });
}

void ThreadPool::configure(ThreadOptions options) {
  if (options.limit == 0) {
    throw UsageError("to_thread() with a limit of 0 threads would never run a function");
  }
  const std::lock_guard lock(state_->mutex);
  state_->options = options;
}

// Does nothing when there is no more to have and others will come to the job. The mutex is held.
void ThreadPool::make_thread() {
  const WithoutSignals inherited;
  try {
    std::thread(serve, state_).detach();
  } catch (const std::system_error& error) {
    if (state_->threads > state_->abandoned) return;
    throw SystemError("cannot start a thread for to_thread()", error.code().value());
  }
  ++state_->threads;
  ++state_->idle;
}

void ThreadPool::submit(ThreadJob& job) {
  const std::lock_guard lock(state_->mutex);
  const bool needs_thread = state_->idle <= state_->waiting_jobs;
  const bool may_have_one = state_->threads < state_->options.limit + state_->abandoned;
  if (needs_thread && may_have_one) make_thread();
  state_->jobs.push_back(job);
  ++state_->waiting_jobs;
  state_->work.notify_one();
}

bool ThreadPool::withdraw(ThreadJob& job) noexcept {
  const std::lock_guard lock(state_->mutex);
  if (!job.linked()) return false;
  job.unlink();
  --state_->waiting_jobs;
  return true;
}

void ThreadPool::abandon(const ThreadJob& job) noexcept {
  const std::lock_guard lock(state_->mutex);
  state_->running.for_each([&](Running& running) {
    if (running.job != &job || running.abandoned) return;
    running.abandoned = true;
    ++state_->abandoned;
  });
}

std::size_t ThreadPool::threads() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->threads;
}

void ThreadPool::serve(const std::shared_ptr<State>& state) {
  constexpr Duration longest = std::chrono::hours(24 * 365);
  std::unique_lock lock(state->mutex);
  for (;;) {
    const bool has_work = state->work.wait_for(lock, std::min(state->options.idle, longest), [&] {
      return state->closing || !state->jobs.empty();
    });
    if (state->jobs.empty() && (state->closing || !has_work)) break;
    ThreadJob& job = state->jobs.pop_front();
    --state->waiting_jobs;
    --state->idle;
    Running running;
    running.job = &job;
    state->running.push_back(running);
    lock.unlock();
    job.run_in_thread();  // `job` may be gone when it returns
    lock.lock();
    running.unlink();
    if (running.abandoned) --state->abandoned;
    ++state->idle;
  }
  --state->idle;
  --state->threads;
  state->ended.notify_all();
}

}  // namespace clearway::detail
