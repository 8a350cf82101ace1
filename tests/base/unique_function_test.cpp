#include <clearway/base/unique_function.hpp>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace clearway {
namespace {

static_assert(!std::is_copy_constructible_v<UniqueFunction<void()>>);
static_assert(!std::is_constructible_v<UniqueFunction<void(int)>, std::string>);

int twice(int value) { return 2 * value; }

TEST(UniqueFunction, HoldsWhatCannotBeCopied) {
  auto number = std::make_unique<int>(20);
  UniqueFunction<int(int)> add = [number = std::move(number)](int more) { return *number + more; };
  EXPECT_EQ(add(1), 21);
  UniqueFunction<int(int)> moved = std::move(add);
  EXPECT_FALSE(static_cast<bool>(add));  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(moved(2), 22);
}

TEST(UniqueFunction, HoldsFunctionsAndNamedCallables) {
  UniqueFunction<int(int)> function = twice;
  EXPECT_EQ(function(4), 8);
  int calls = 0;
  const auto count = [&calls] { ++calls; };
  UniqueFunction<void()> named = count;
  named();
  named();
  EXPECT_EQ(calls, 2);
}

TEST(UniqueFunction, KeepsItsState) {
  UniqueFunction<int()> counter = [value = 0]() mutable { return ++value; };
  EXPECT_EQ(counter(), 1);
  EXPECT_EQ(counter(), 2);
}

TEST(UniqueFunction, PassesArgumentsOn) {
  UniqueFunction<std::unique_ptr<int>(std::unique_ptr<int>, int&)> pass =
      [](std::unique_ptr<int> owned, int& seen) {
        seen = *owned;
        return owned;
      };
  int seen = 0;
  const auto back = pass(std::make_unique<int>(3), seen);
  EXPECT_EQ(*back, 3);
  EXPECT_EQ(seen, 3);
}

TEST(UniqueFunction, DestroysWhatItHolds) {
  const auto token = std::make_shared<int>(0);
  {
    UniqueFunction<void()> holder = [token] {};
    EXPECT_EQ(token.use_count(), 2);
    holder = UniqueFunction<void()>();
    EXPECT_EQ(token.use_count(), 1);
    holder = [token] {};
  }
  EXPECT_EQ(token.use_count(), 1);
  const UniqueFunction<void()> empty;
  EXPECT_FALSE(static_cast<bool>(empty));
}

}  // namespace
}  // namespace clearway
