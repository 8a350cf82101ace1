#pragma once

namespace clearway {

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

 private:
  friend class ReadyQueue;
  Ready* next_ = nullptr;
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
  Ready* first_ = nullptr;
  Ready* last_ = nullptr;
};

}  // namespace clearway
