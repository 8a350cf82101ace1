#include <clearway/base/log.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace clearway {
namespace {

std::vector<std::string> written;

void record(log::Level level, std::string_view module, std::string_view message) {
  written.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(module) + " " +
                    std::string(message));
}

class Log : public testing::Test {
 protected:
  void SetUp() override {
    written.clear();
    before_ = log::set_sink(record);
  }
  void TearDown() override {
    log::set_sink(before_);
    log::set_level(log::Level::warning);
  }
  log::Sink before_ = nullptr;
};

TEST_F(Log, GoesToTheSinkFromItsLevelOn) {
  log::set_level(log::Level::warning);
  log::write(log::Level::info, "loop", "not this");
  log::write(log::Level::warning, "loop", "this");
  log::write(log::Level::error, "http", "and this");
  const std::vector<std::string> expected{"2 loop this", "3 http and this"};
  EXPECT_EQ(written, expected);
}

TEST_F(Log, TheLevelCanBeLowered) {
  log::set_level(log::Level::debug);
  EXPECT_TRUE(log::enabled(log::Level::debug));
  log::write(log::Level::debug, "loop", "everything");
  log::set_level(log::Level::error);
  EXPECT_FALSE(log::enabled(log::Level::warning));
  log::write(log::Level::warning, "loop", "nothing");
  EXPECT_EQ(written.size(), 1U);
}

TEST_F(Log, GivesTheSinkBeforeAndRestoresStandardError) {
  EXPECT_EQ(log::set_sink(nullptr), &record);
  testing::internal::CaptureStderr();
  log::write(log::Level::error, "task", "to the terminal");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "clearway error [task] to the terminal\n");
  EXPECT_TRUE(written.empty());
}

}  // namespace
}  // namespace clearway
