#include <clearway/task/workers.hpp>

#include <pthread.h>
#include <algorithm>
#include <csignal>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/task/join.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/run_on.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/timeout.hpp>
#include <clearway/task/to_thread.hpp>
#include <clearway/task/with_scope.hpp>

namespace clearway {
namespace {

// What a worker's thread and the task that waits for it share.
struct Seat {
  std::mutex mutex;
  std::optional<LoopHandle> loop;  // while the worker runs
  bool cancelled = false;          // before there was a loop
  CancelScope* scope = nullptr;    // on the worker's thread
  std::exception_ptr error;        // Cancelled too; read when the thread has been joined
  std::thread thread;
};

void cancel(const std::shared_ptr<Seat>& seat) {
  const std::lock_guard lock(seat->mutex);
  seat->cancelled = true;
  if (!seat->loop) return;
  seat->loop->post([seat] {
    if (seat->scope != nullptr) seat->scope->cancel();
  });
}

// The worker's main task: what it was given, in a scope that the waiting task can cancel.
Task<> work(std::shared_ptr<Seat> seat, const std::function<Task<>(Worker)>* main, Worker worker) {
  const auto body = [&](CancelScope& scope) -> Task<> {
    {
      const std::lock_guard lock(seat->mutex);
      seat->scope = &scope;
      seat->loop = LoopHandle::current();
      if (seat->cancelled) scope.cancel();
    }
    co_await (*main)(worker);
  };
  const auto leave = [&]() -> Task<> {
    seat->scope = nullptr;
    const std::lock_guard lock(seat->mutex);
    seat->loop.reset();
    co_return;
  };
  const auto ended = co_await finally(with_scope(body), leave);
  static_cast<void>(ended);
}

class Crew {
 public:
  Crew(std::size_t count, const std::function<Task<>(Worker)>& main)
      : main_(main), running_(0), home_(LoopHandle::current()) {
    for (std::size_t index = 0; index < count; ++index) seats_.push_back(std::make_shared<Seat>());
  }

  void start() {
    // Signals are the business of the thread that waits.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = 0;
    for (std::size_t index = 0; index < seats_.size() && code == 0; ++index) {
      try {
        const std::shared_ptr<Seat>& seat = seats_[index];
        seat->thread = std::thread([this, seat, index] { serve(seat, index); });
        ++running_;
      } catch (const std::system_error& error) {
        code = error.code().value();
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (code != 0) {
      error_ = std::make_exception_ptr(
          SystemError("cannot start a thread for each of the workers", code));
      over_.set();
    }
  }

  Task<> wait() {
    while (running_ > 0 && error_ == nullptr) {
      co_await over_.wait();
      over_.clear();
    }
  }

  Task<> stop() {
    for (const auto& seat : seats_) cancel(seat);
    while (running_ > 0) {
      co_await over_.wait();
      over_.clear();
    }
    // Their last words have come, but not yet their end: joining blocks, if only for a moment.
    const auto join = [this] {
      for (const auto& seat : seats_) {
        if (seat->thread.joinable()) seat->thread.join();
      }
    };
    const bool any = std::any_of(seats_.begin(), seats_.end(),
                                 [](const auto& seat) { return seat->thread.joinable(); });
    if (!any) co_return;
    try {
      co_await to_thread(join);
    } catch (const SystemError&) {  // no thread can be had, which may be why we are here
      join();
    }
  }

  void throw_error() const {
    if (error_ != nullptr) detail::throw_with(error_, others_);
  }

 private:
  // On the worker's thread.
  void serve(const std::shared_ptr<Seat>& seat, std::size_t index) {
    try {
      run(work(seat, &main_, {.index = index, .count = seats_.size()}));
    } catch (const Cancelled&) {  // as asked
    } catch (...) {               // thrown again by throw_error()
      seat->error = std::current_exception();
    }
    home_.post([this, seat] { ended(*seat); });
  }
  void ended(const Seat& seat) {
    --running_;
    if (seat.error != nullptr) {
      if (error_ == nullptr) {
        error_ = seat.error;
      } else {
        others_.push_back(seat.error);
      }
    }
    over_.set();
  }

  const std::function<Task<>(Worker)>& main_;
  std::size_t running_;
  LoopHandle home_;
  std::vector<std::shared_ptr<Seat>> seats_;
  std::exception_ptr error_;
  std::vector<std::exception_ptr> others_;
  Event over_;
};

}  // namespace

Task<> run_workers(std::size_t count, std::function<Task<>(Worker)> main) {
  if (count == 0) count = std::max(std::thread::hardware_concurrency(), 1U);
  if (Loop::current().driver().simulated()) {
    co_await task_group([&](TaskGroup& group) -> Task<> {
      for (std::size_t index = 0; index < count; ++index) {
        group.start(std::ref(main), Worker{.index = index, .count = count});
      }
      co_return;
    });
    co_return;
  }
  Crew crew(count, main);
  crew.start();
  co_await finally(crew.wait(), [&] { return crew.stop(); });
  crew.throw_error();
}

}  // namespace clearway
