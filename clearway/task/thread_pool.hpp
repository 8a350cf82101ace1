#pragma once

// The threads behind to_thread(): made on demand, up to a limit per loop, and ended after some time
// without work. Jobs beyond the limit wait in order.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include <clearway/base/list.hpp>
#include <clearway/loop/loop.hpp>

namespace clearway {

// How to_thread() makes threads.
struct ThreadOptions {
  // Threads at once; those that are left behind by abandoned calls do not count. At least one.
  std::size_t limit = 512;
  // How long a thread without work is kept.
  Duration idle = std::chrono::seconds(10);
};

namespace detail {

// One function to run in a thread. The pool never owns it.
class ThreadJob : public ListNode<ThreadJob> {
 public:
  virtual void run_in_thread() noexcept = 0;

 protected:
  ~ThreadJob() = default;
};

class ThreadPool final : public LoopService {
 public:
  explicit ThreadPool(Loop& loop);
  // Waits for idle threads to end; threads inside an abandoned job are left to themselves.
  ~ThreadPool() override;

  // For jobs that are submitted, and threads that become idle, from now on. Throws UsageError when
  // no thread is allowed.
  void configure(ThreadOptions options);
  // Throws SystemError when no thread runs and none can be made.
  void submit(ThreadJob& job);
  // True: the job had not begun, and will not.
  bool withdraw(ThreadJob& job) noexcept;
  // A job that has begun will not be waited for; its thread joins the others when it comes back.
  void abandon(const ThreadJob& job) noexcept;
  [[nodiscard]] std::size_t threads() const noexcept;

 private:
  struct Running : ListNode<Running> {
    const ThreadJob* job = nullptr;
    bool abandoned = false;
  };
  struct State {
    std::mutex mutex;
    ThreadOptions options;
    std::condition_variable work;
    std::condition_variable ended;
    List<ThreadJob> jobs;
    List<Running> running;
    std::size_t waiting_jobs = 0;
    std::size_t threads = 0;
    std::size_t idle = 0;
    std::size_t abandoned = 0;
    bool closing = false;
  };
  static void serve(const std::shared_ptr<State>& state);
  void make_thread();

  std::shared_ptr<State> state_;
};

}  // namespace detail
}  // namespace clearway
