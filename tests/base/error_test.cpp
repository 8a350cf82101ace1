#include <clearway/base/error.hpp>

#include <cerrno>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

namespace clearway {
namespace {

TEST(Error, SaysWhatWasTriedAndWhy) {
  const SystemError error("cannot listen on 127.0.0.1:80", EACCES);
  EXPECT_STREQ(error.what(), "cannot listen on 127.0.0.1:80: Permission denied");
  EXPECT_EQ(error.code(), EACCES);
  EXPECT_EQ(system_message(ENOENT), "No such file or directory");
  EXPECT_EQ(system_message(123456), "error 123456");
}

TEST(Error, EveryErrorIsAnError) {
  EXPECT_THROW(throw SystemError("x", 1), Error);
  EXPECT_THROW(throw UsageError("x"), Error);
  EXPECT_THROW(throw TimedOut("x"), Error);
  EXPECT_THROW(throw Error("x"), std::runtime_error);
}

TEST(Error, KeepsThoseAttachedInOrderAndThroughCopies) {
  Error first("first");
  EXPECT_TRUE(first.attached().empty());
  first.attach(std::make_exception_ptr(Error("second")));
  first.attach(std::make_exception_ptr(std::logic_error("third")));
  Error copy = first;
  Error assigned("other");
  assigned = copy;
  for (const Error& error : {first, copy, assigned}) {
    EXPECT_STREQ(error.what(), "first");
    ASSERT_EQ(error.attached().size(), 2U);
    EXPECT_EQ(describe(error.attached()[0]), "second");
    EXPECT_EQ(describe(error.attached()[1]), "third");
  }
}

TEST(Error, AnErrorOfAnErrorOfAnError) {
  Error top("top");
  Error middle("middle");
  middle.attach(std::make_exception_ptr(Error("bottom")));
  top.attach(std::make_exception_ptr(middle));
  std::string found;
  try {
    std::rethrow_exception(top.attached().front());
  } catch (const Error& error) {
    found = describe(error.attached().front());
  }
  EXPECT_EQ(found, "bottom");
}

TEST(Error, DescribesWhateverWasThrown) {
  EXPECT_EQ(describe(nullptr), "no error");
  EXPECT_EQ(describe(std::make_exception_ptr(std::runtime_error("why"))), "why");
  EXPECT_EQ(describe(std::make_exception_ptr(7)), "an exception that is not a std::exception");
}

}  // namespace
}  // namespace clearway
