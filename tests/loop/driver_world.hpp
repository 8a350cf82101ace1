#pragma once

// What the driver conformance suite runs on: every test body once over epoll, over io_uring as new
// and as old kernels have it, and over the simulated driver with many seeds.

#include <cstring>
#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <clearway/base/error.hpp>
#include <clearway/loop/epoll_driver.hpp>
#include <clearway/loop/simulated_driver.hpp>
#include <clearway/loop/uring_driver.hpp>

namespace driver_tests {

using clearway::Address;
using clearway::after;
using clearway::Driver;
using clearway::EpollDriver;
using clearway::Handle;
using clearway::Instant;
using clearway::no_handle;
using clearway::Operation;
using clearway::SimulatedDriver;
using clearway::SimulationOptions;
using clearway::UringDriver;
using clearway::UringRung;

constexpr std::uint64_t seeds = 1000;

// The drivers of the real world: io_uring also as older kernels have it.
inline constexpr const char* real_drivers[] = {"epoll", "uring", "uring_cooperative",
                                               "uring_plain"};

// Those that another loop can wait for (Driver::pollable()).
inline constexpr const char* host_drivers[] = {"epoll", "uring_cooperative", "uring_plain"};

// Null, and why, where the kernel has no io_uring for us.
inline std::unique_ptr<Driver> make_real(std::string_view kind, std::string& refusal) {
  if (kind == "epoll") return std::make_unique<EpollDriver>();
  const UringRung highest = kind == "uring"               ? UringRung::deferred
                            : kind == "uring_cooperative" ? UringRung::cooperative
                                                          : UringRung::plain;
  try {
    return std::make_unique<UringDriver>(highest);
  } catch (const clearway::SystemError& error) {
    refusal = error.what();
    return nullptr;
  }
}

// An operation that remembers that it completed.
class Probe : public Operation {
 public:
  Probe(Kind what, Handle on) {
    kind = what;
    handle = on;
  }
  void completed() override { ++completions; }

  int completions = 0;
};

class World {
 public:
  explicit World(std::unique_ptr<Driver> driver) : driver_(std::move(driver)) {}

  Driver& driver() { return *driver_; }
  bool real() const { return !driver_->simulated(); }

  // Starts `operation` and waits for its end; gives its result.
  std::int64_t run(Probe& operation) {
    start(operation);
    return finish(operation);
  }
  void start(Probe& operation) {
    operation.completions = 0;
    if (driver_->submit(operation)) ++operation.completions;
  }
  std::int64_t finish(Probe& operation) {
    const Instant limit = after(driver_->now(), std::chrono::seconds(10));
    while (operation.completions == 0 && driver_->now() < limit) driver_->wait(limit);
    EXPECT_EQ(operation.completions, 1) << "the operation did not complete within 10 s";
    EXPECT_FALSE(operation.pending);
    return operation.result;
  }
  // Lets everything that is on its way arrive.
  void settle() {
    const Instant limit = after(driver_->now(), std::chrono::milliseconds(real() ? 0 : 100));
    do {
      driver_->wait(limit);
    } while (driver_->now() < limit);
  }

  Handle connect(Address target) {
    const Handle handle = driver_->open_stream(target.family());
    EXPECT_GE(handle, 0);
    Probe operation(Operation::Kind::connect, handle);
    operation.address = &target;
    EXPECT_EQ(run(operation), 0);
    return handle;
  }
  Handle accept(Handle listener, Address* peer = nullptr) {
    Probe operation(Operation::Kind::accept, listener);
    operation.address = peer;
    return static_cast<Handle>(run(operation));
  }
  std::int64_t receive(Handle handle, char* into, std::size_t size) {
    Probe operation(Operation::Kind::receive, handle);
    operation.data = into;
    operation.size = size;
    return run(operation);
  }
  // Everything until the end of the stream, or the error.
  std::string receive_all(Handle handle, std::int64_t* error = nullptr) {
    std::string all;
    char piece[1000];
    for (;;) {
      const std::int64_t count = receive(handle, piece, sizeof piece);
      if (count <= 0) {
        if (error != nullptr) *error = count;
        return all;
      }
      all.append(piece, static_cast<std::size_t>(count));
    }
  }
  std::string receive_exactly(Handle handle, std::size_t size) {
    std::string all(size, '\0');
    std::size_t have = 0;
    while (have < size) {
      const std::int64_t count = receive(handle, all.data() + have, size - have);
      EXPECT_GT(count, 0);
      if (count <= 0) break;
      have += static_cast<std::size_t>(count);
    }
    all.resize(have);
    return all;
  }
  void send_all(Handle handle, std::string_view text) {
    while (!text.empty()) {
      iovec piece{const_cast<char*>(text.data()), text.size()};
      Probe operation(Operation::Kind::send, handle);
      operation.vectors = &piece;
      operation.vector_count = 1;
      const std::int64_t count = run(operation);
      ASSERT_GT(count, 0);
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }

 private:
  std::unique_ptr<Driver> driver_;
};

// A connected pair over TCP, and the listener.
struct Pair {
  explicit Pair(World& world) : driver(world.driver()) {
    address = Address::loopback(0);
    listener = driver.listen(address, 16, false);
    client = world.connect(address);
    server = world.accept(listener, &client_address);
  }
  ~Pair() {
    for (Handle* handle : {&client, &server, &listener}) close(*handle);
    EXPECT_EQ(driver.open_handles(), 0U);
  }
  void close(Handle& handle) {
    if (handle >= 0) driver.close(handle);
    handle = no_handle;
  }

  Driver& driver;
  Address address;
  Address client_address;
  Handle listener = no_handle;
  Handle client = no_handle;
  Handle server = no_handle;
};

class DriverTest : public ::testing::TestWithParam<const char*> {
 protected:
  // Runs `body` in one world over a real driver, or in one per seed.
  static void each(const std::function<void(World&)>& body, SimulationOptions options = {}) {
    const std::string_view kind = GetParam();
    if (kind != "simulated") {
      std::string refusal;
      auto driver = make_real(kind, refusal);
      if (driver == nullptr) GTEST_SKIP() << refusal;
      World world(std::move(driver));
      body(world);
      return;
    }
    for (options.seed = 1; options.seed <= seeds; ++options.seed) {
      SCOPED_TRACE("seed " + std::to_string(options.seed));
      World world(std::make_unique<SimulatedDriver>(options));
      body(world);
      if (::testing::Test::HasFailure()) return;
    }
  }
};

}  // namespace driver_tests
