#pragma once

// The threads behind to_thread(): made on demand, up to 512 per loop, and ended after ten seconds
// without work. Jobs beyond the limit wait in order.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include <clearway/base/list.hpp>
#include <clearway/loop/loop.hpp>

namespace clearway::detail {

// One function to run in a thread. The pool never owns it.
class ThreadJob : public ListNode<ThreadJob> {
 public:
  virtual void run_in_thread() noexcept = 0;

 protected:
  ~ThreadJob() = default;
};

class ThreadPool final : public LoopService {
 public:
  static constexpr std::size_t thread_limit = 512;
  static constexpr std::chrono::seconds idle_limit{10};

  explicit ThreadPool(Loop& loop);
  // Waits for idle threads to end; threads inside an abandoned job are left to themselves.
  ~ThreadPool() override;

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

  std::shared_ptr<State> state_;
};

}  // namespace clearway::detail
