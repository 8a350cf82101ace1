#include <clearway/task/to_thread.hpp>

namespace clearway {

void set_thread_options(ThreadOptions options) {
  Loop::current().service<detail::ThreadPool>().configure(options);
}

namespace detail {

bool ThreadWaiter::suspend(PromiseBase& frame, ThreadJob& job) {
  if (!begin(frame)) return false;
  job_ = &job;
  Loop& loop = Loop::current();
  if (loop.driver().simulated()) {
    const auto delay = Duration(loop.driver().random() % 1'000'000);
    loop.timers().set(*this, after(loop.now(), delay));
  } else {
    loop.service<ThreadPool>().submit(job);
  }
  return true;
}

bool ThreadWaiter::withdraw() noexcept {
  Loop& loop = Loop::current();
  if (!loop.driver().simulated()) return loop.service<ThreadPool>().withdraw(*job_);
  const bool not_begun = armed();
  loop.timers().cancel(*this);
  return not_begun;
}

}  // namespace detail
}  // namespace clearway
