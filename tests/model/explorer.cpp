#include "explorer.hpp"

#include <memory>
#include <stdexcept>
#include <thread>
#include <unordered_map>

#include <dlfcn.h>
#include <fmt/format.h>
#include <pthread.h>
#include <semaphore.h>

namespace clearway::model {

namespace {

class Run;

// Without spinning, as std::binary_semaphore does: the thread that is waited for has a long way.
class Baton {
 public:
  Baton() { ::sem_init(&semaphore_, 0, 0); }
  Baton(const Baton&) = delete;
  Baton& operator=(const Baton&) = delete;
  ~Baton() { ::sem_destroy(&semaphore_); }
  void release() { ::sem_post(&semaphore_); }
  void acquire() {
    while (::sem_wait(&semaphore_) != 0) {
    }
  }

 private:
  sem_t semaphore_;
};

struct Worker {
  Baton go;
  std::function<bool()> condition;  // empty: it can go on
  bool ended = false;
  Run* run = nullptr;
};

thread_local Worker* self = nullptr;

// A place where several workers could have gone on, and which of them did.
struct Fork {
  std::vector<std::size_t> choices;
  std::size_t taken = 0;
};

// One run of the program, along the forks of the path as far as they go.
class Run {
 public:
  Run(Program& program, std::vector<Fork>& path, int preemptions)
      : path_(path), preemptions_(preemptions) {
    for (std::size_t index = 0; index < program.threads.size(); ++index) {
      workers_.push_back(std::make_unique<Worker>());
      Worker& worker = *workers_.back();
      worker.run = this;
      threads_.emplace_back([&worker, &body = program.threads[index]] {
        self = &worker;
        worker.go.acquire();
        body();
        self = nullptr;
        worker.ended = true;
        worker.run->scheduler_.release();
      });
    }
  }

  // False: those that have not ended wait for ever.
  bool go() {
    std::size_t current = workers_.size();
    for (;;) {
      const std::vector<std::size_t> choices = choices_after(current);
      if (choices.empty()) return all_ended();
      const std::size_t next = choices.size() == 1 ? choices.front() : take(choices);
      order_ += static_cast<char>('A' + next);
      current = next;
      workers_[next]->go.release();
      scheduler_.acquire();
    }
  }

  void pause(Worker& worker) {
    scheduler_.release();
    worker.go.acquire();
  }

  void join() {
    for (std::thread& thread : threads_) thread.join();
  }
  // Its threads are stuck: they, and what they use, stay.
  void abandon() {
    for (std::thread& thread : threads_) thread.detach();
  }

  [[nodiscard]] const std::string& order() const noexcept { return order_; }
  std::unordered_map<pthread_mutex_t*, Worker*> owners;

 private:
  // The one that runs comes first, so that going on is what is tried first.
  std::vector<std::size_t> choices_after(std::size_t current) {
    std::vector<std::size_t> choices;
    const auto add = [&](std::size_t index) {
      Worker& worker = *workers_[index];
      if (worker.ended || (worker.condition && !worker.condition())) return;
      choices.push_back(index);
    };
    if (current < workers_.size()) add(current);
    const bool may_go_on = !choices.empty();
    if (may_go_on && preempted_ == preemptions_) return choices;
    for (std::size_t index = 0; index < workers_.size(); ++index) {
      if (index != current) add(index);
    }
    may_go_on_ = may_go_on;
    return choices;
  }

  std::size_t take(const std::vector<std::size_t>& choices) {
    if (step_ == path_.size()) path_.push_back({choices, 0});
    const Fork& fork = path_[step_++];
    if (fork.choices != choices) {
      throw std::logic_error("the program does not repeat itself, after the order " + order_);
    }
    if (may_go_on_ && fork.taken > 0) ++preempted_;
    return fork.choices.at(fork.taken);
  }

  [[nodiscard]] bool all_ended() const {
    for (const auto& worker : workers_) {
      if (!worker->ended) return false;
    }
    return true;
  }

  std::vector<Fork>& path_;
  const int preemptions_;
  int preempted_ = 0;
  bool may_go_on_ = false;
  std::size_t step_ = 0;
  std::string order_;
  Baton scheduler_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

// To the next order; false when there is none.
bool advance(std::vector<Fork>& path) {
  while (!path.empty()) {
    if (++path.back().taken < path.back().choices.size()) return true;
    path.pop_back();
  }
  return false;
}

// False after a deadlock.
bool run_once(const std::function<Program()>& make, std::vector<Fork>& path, int preemptions,
              Outcome& outcome) {
  auto program = std::make_unique<Program>(make());
  auto run = std::make_unique<Run>(*program, path, preemptions);
  const auto abandon = [&] {
    run->abandon();
    // Its stuck threads still refer to both.
    static_cast<void>(program.release());
    static_cast<void>(run.release());
  };
  try {
    if (run->go()) {
      run->join();
      program->check();
      return true;
    }
  } catch (const std::logic_error&) {
    abandon();
    throw;
  }
  outcome.deadlock = run->order();
  abandon();
  return false;
}

}  // namespace

Outcome explore(const std::function<Program()>& make, int preemptions, std::size_t most_orders) {
  Outcome outcome;
  std::vector<Fork> path;
  // What a process does only once, such as filling a cache, it does in a run of its own.
  if (!run_once(make, path, 0, outcome)) return outcome;
  path.clear();
  do {
    if (outcome.orders++ == most_orders) {
      outcome.complete = false;
      break;
    }
    if (!run_once(make, path, preemptions, outcome)) break;
  } while (advance(path));
  return outcome;
}

void point() noexcept {
  if (self != nullptr) self->run->pause(*self);
}

void wait_until(const std::function<bool()>& condition) {
  if (self == nullptr || condition()) return;
  self->condition = condition;
  self->run->pause(*self);
  self->condition = nullptr;
}

namespace {

using MutexCall = int (*)(pthread_mutex_t*);

MutexCall real(const char* name) { return reinterpret_cast<MutexCall>(::dlsym(RTLD_NEXT, name)); }

}  // namespace

int lock(pthread_mutex_t* mutex) {
  static const MutexCall real_lock = real("pthread_mutex_lock");
  if (self != nullptr) {
    Worker* const me = self;
    point();
    wait_until([=] { return !me->run->owners.contains(mutex); });
    me->run->owners.emplace(mutex, me);
  }
  return real_lock(mutex);
}

int unlock(pthread_mutex_t* mutex) {
  static const MutexCall real_unlock = real("pthread_mutex_unlock");
  const int result = real_unlock(mutex);
  if (self != nullptr) self->run->owners.erase(mutex);
  return result;
}

}  // namespace clearway::model

extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  return clearway::model::lock(mutex);
}
extern "C" int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  return clearway::model::unlock(mutex);
}
