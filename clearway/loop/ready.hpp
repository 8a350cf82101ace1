#pragma once

#include <cstdint>

namespace clearway {

namespace inspect {
struct Layout;
}

// Something the loop runs once, soon: a node of the ready queue. It must stay alive until run() is
// called; run() may destroy it.
class Ready {
 public:
  Ready() noexcept = default;
  Ready(const Ready&) = delete;
  Ready& operator=(const Ready&) = delete;
  virtual void run() = 0;

 protected:
  ~Ready() = default;

  // For inspectors, of a node that is not queued: when it began to wait, on the loop's clock.
  void waits_since(std::int64_t nanoseconds) noexcept { since_ = nanoseconds; }

 private:
  friend class ReadyQueue;
  friend struct inspect::Layout;
  union {
    Ready* next_ = nullptr;  // while it is queued
    std::int64_t since_;
  };
};

// First in, first out; a node is on it at most once.
class ReadyQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

  void push(Ready& node) noexcept {
    node.next_ = nullptr;
    if (first_ == nullptr) {
      first_ = &node;
    } else {
      last_->next_ = &node;
    }
    last_ = &node;
  }

  Ready& pop() noexcept {
    Ready* node = first_;
    first_ = node->next_;
    return *node;
  }

 private:
  friend struct inspect::Layout;
  Ready* first_ = nullptr;
  Ready* last_ = nullptr;
};

}  // namespace clearway
