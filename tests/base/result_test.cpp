#include <clearway/base/result.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace clearway {
namespace {

std::exception_ptr error(const char* text) { return std::make_exception_ptr(Error(text)); }

TEST(Result, HoldsAValue) {
  Result<std::string> result(std::string("fine"));
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(static_cast<bool>(result));
  EXPECT_EQ(*result, "fine");
  EXPECT_EQ(result->size(), 4U);
  EXPECT_EQ(result.error(), nullptr);
  EXPECT_EQ(result.message(), "");
  result.value() += "!";
  EXPECT_EQ(std::as_const(result).value(), "fine!");
  EXPECT_EQ(std::move(result).value_or("other"), "fine!");
}

TEST(Result, HoldsAnErrorAndThrowsItWhereAValueIsAsked) {
  Result<std::string> result(error("no such city"));
  EXPECT_FALSE(result.has_value());
  EXPECT_FALSE(static_cast<bool>(result));
  EXPECT_EQ(result.message(), "no such city");
  EXPECT_EQ(describe(result.error()), "no such city");
  EXPECT_THROW(static_cast<void>(result.value()), Error);
  EXPECT_THROW(static_cast<void>(*result), Error);
  EXPECT_THROW(static_cast<void>(result->size()), Error);
  EXPECT_THROW(static_cast<void>(std::as_const(result).value()), Error);
  EXPECT_EQ(std::move(result).value_or("other"), "other");
}

TEST(Result, MovesItsValueOut) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const std::unique_ptr<int> owned = *std::move(result);
  EXPECT_EQ(*owned, 5);
}

TEST(Result, OfNothing) {
  const Result<void> fine;
  EXPECT_TRUE(fine.has_value());
  EXPECT_NO_THROW(fine.value());
  EXPECT_EQ(fine.message(), "");
  const Result<void> failed(error("disk full"));
  EXPECT_FALSE(static_cast<bool>(failed));
  EXPECT_THROW(failed.value(), Error);
  EXPECT_EQ(failed.message(), "disk full");
}

TEST(Result, OfAReference) {
  int number = 1;
  Result<std::reference_wrapper<int>> result(std::ref(number));
  ++result.value().get();
  EXPECT_EQ(number, 2);
}

}  // namespace
}  // namespace clearway
