#include <clearway/task/thread_pool.hpp>

#include <pthread.h>
#include <csignal>
#include <system_error>
#include <thread>

#include <clearway/base/error.hpp>

namespace clearway::detail {

ThreadPool::ThreadPool(Loop& loop) : state_(std::make_shared<State>()) { (void)loop; }

ThreadPool::~ThreadPool() {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->work.notify_all();
  state_->ended.wait(lock, [&] { return state_->threads <= state_->abandoned; });
}

void ThreadPool::submit(ThreadJob& job) {
  const std::lock_guard lock(state_->mutex);
  const bool needs_thread = state_->idle <= state_->waiting_jobs;
  if (needs_thread && state_->threads < thread_limit + state_->abandoned) {
    // Signals are the loop's: its thread handles them, not a worker.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      std::thread(serve, state_).detach();
      ++state_->threads;
      ++state_->idle;
    } catch (const std::system_error& error) {
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      if (state_->threads == state_->abandoned) {
        throw SystemError("cannot start a thread for to_thread()", error.code().value());
      }
      state_->jobs.push_back(job);  // the threads that exist will come to it
      ++state_->waiting_jobs;
      return;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
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
  std::unique_lock lock(state->mutex);
  for (;;) {
    const bool has_work = state->work.wait_for(
        lock, idle_limit, [&] { return state->closing || !state->jobs.empty(); });
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
