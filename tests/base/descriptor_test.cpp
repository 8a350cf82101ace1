#include <clearway/base/descriptor.hpp>

#include <utility>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace clearway {
namespace {

bool is_open(int number) { return ::fcntl(number, F_GETFD) >= 0; }
int open_one() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(Descriptor, ClosesWhatItOwns) {
  int number = -1;
  {
    const Descriptor owner(open_one());
    number = owner.get();
    EXPECT_TRUE(owner.valid());
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
  const Descriptor none;
  EXPECT_FALSE(none.valid());
}

TEST(Descriptor, MovesAndCloses) {
  Descriptor first(open_one());
  const int number = first.get();
  Descriptor second(std::move(first));
  EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(second.get(), number);
  Descriptor third(open_one());
  const int replaced = third.get();
  third = std::move(second);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_EQ(third.get(), number);
  Descriptor& same = third;
  third = std::move(same);
  EXPECT_TRUE(is_open(number)) << "moved into itself";
  third.reset();
  EXPECT_FALSE(is_open(number));
  third.reset();
}

TEST(Descriptor, ReleasesWithoutClosing) {
  Descriptor owner(open_one());
  const int number = owner.release();
  EXPECT_FALSE(owner.valid());
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

}  // namespace
}  // namespace clearway
