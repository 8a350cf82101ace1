#pragma once

// The part of the real drivers that threads share, which is how a loop falls asleep and is woken,
// without sockets and without time.

#include <cstdint>
#include <stdexcept>

#include <unistd.h>
#include <clearway/loop/kernel_driver.hpp>
#include <tests/model/explorer.hpp>

namespace clearway::model {

class ModelDriver : public KernelDriver {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "model"; }
  [[nodiscard]] Instant now() noexcept override { return Instant(std::chrono::seconds(1)); }
  std::uint64_t random() noexcept override { return 4; }

  void wake() noexcept override {
    point();
    KernelDriver::wake();
  }
  void wait(Instant deadline) override {
    point();
    const bool polls = deadline == Instant::min() || !may_sleep();
    point();
    if (!polls) wait_until([this] { return notified(); });
    take_notice();
    notified_ = false;
    point();
    wake_up();
    point();
  }

  bool submit(Operation&) override { throw std::logic_error("a model has no sockets"); }
  void cancel(Operation&) noexcept override {}
  void close(Handle handle) override { ::close(handle); }
  void own(Handle, Role, bool) override {}

 protected:
  virtual bool may_sleep() noexcept { return fall_asleep(); }

 private:
  // Whether there was an edge since the last wait: each write is one.
  bool notified() noexcept {
    if (take_notice() > 0) notified_ = true;
    return notified_;
  }
  std::uint64_t take_notice() noexcept {
    std::uint64_t count = 0;
    return ::read(wake_descriptor(), &count, sizeof count) == sizeof count ? count : 0;
  }

  bool notified_ = false;
};

// One that does not look whether it was woken before it fell asleep: what the explorer must find.
class CarelessDriver final : public ModelDriver {
  bool may_sleep() noexcept override {
    fall_asleep();
    return true;
  }
};

}  // namespace clearway::model
