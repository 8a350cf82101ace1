// The g++ 12 canaries: what the compiler does wrong, and that the program says so.

#include <type_traits>

#include <clearway/task/sleep.hpp>
#include <clearway/task/task.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

static_assert(!std::is_copy_constructible_v<Task<int>> && !std::is_move_constructible_v<Task<int>>);
static_assert(!std::is_copy_assignable_v<Task<int>> && !std::is_move_assignable_v<Task<int>>);

#if CLEARWAY_CHECK_FRAME_LAYOUT

Task<bool> truth() { co_return true; }

// The one form that g++ 12.2 lays out wrongly (PR 106188): no local in the outermost block.
Task<> broken(int& reached) {
  if (co_await truth()) {
    ++reached;
  }
}

TEST(DialectDeathTest, TheTripwireNamesABrokenFrame) {
  const auto use = [] {
    int reached = 0;
    run(broken(reached));
  };
  EXPECT_DEATH(use(), "GCC bug 106188");
}

Task<> whole(int& reached) {
  const bool answer = co_await truth();
  if (answer) ++reached;
}

TEST(Dialect, ALocalFirstIsLaidOutRightly) {
  int reached = 0;
  run(whole(reached));
  EXPECT_EQ(reached, 1);
}

#endif

}  // namespace
}  // namespace clearway
