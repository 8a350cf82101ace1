// What becomes of posted functions when one of them throws.

#include <memory>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>
#include <clearway/loop/loop.hpp>
#include <clearway/loop/simulated_driver.hpp>

namespace clearway {
namespace {

TEST(Mailbox, AFunctionThatThrowsDoesNotLoseTheOthers) {
  Loop loop(make_default_driver());
  std::vector<int> ran;
  loop.post([&] { ran.push_back(1); });
  loop.post([&] {
    loop.post([&] {
      ran.push_back(4);
      loop.stop();
    });
    throw std::runtime_error("first");
  });
  loop.post([&] { ran.push_back(2); });
  loop.post([] { throw std::runtime_error("second"); });
  loop.post([&] { ran.push_back(3); });
  EXPECT_THROW(loop.run(), std::runtime_error);
  EXPECT_THROW(loop.run(), std::runtime_error);
  loop.run();
  const std::vector<int> expected{1, 2, 3, 4};
  EXPECT_EQ(ran, expected);
}

TEST(Mailbox, DropsWhatTheLoopNeverRan) {
  const auto token = std::make_shared<int>(0);
  {
    Loop loop(std::make_unique<SimulatedDriver>());
    loop.post([] { throw std::runtime_error("ends the run"); });
    loop.post([token] {});
    EXPECT_THROW(loop.run(), std::runtime_error);
    loop.post([token] {});
    EXPECT_EQ(token.use_count(), 3);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Mailbox, ServesATurnInsideAPostedFunction) {
  Loop loop(std::make_unique<SimulatedDriver>());
  std::vector<int> ran;
  loop.post([&] {
    loop.turn(false);
    ran.push_back(2);
  });
  loop.post([&] { ran.push_back(1); });
  loop.turn(false);
  const std::vector<int> expected{1, 2};
  EXPECT_EQ(ran, expected);
}

}  // namespace
}  // namespace clearway
