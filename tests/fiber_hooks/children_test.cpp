// Children that share their parent's memory, and libraries that go past the hooks.

#include <dlfcn.h>
#include <sys/wait.h>
#include <clearway/fiber/sanitizer.hpp>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::gave;
using tests::Logged;
using tests::Outcome;
using tests::Pair;
using tests::pause;
using tests::together;

// The child's descriptors are its own, the memory that says who waits for them is not.
TEST(HookChildren, WhatAChildOfVforkClosesStaysOpenHere) {
  tests::on_real_drivers([]() -> Task<> {
    Pair pair;
    const int number = pair.near.get();
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      char byte = 0;
      EXPECT_EQ(Outcome(::recv(number, &byte, 1, 0)), gave(1));
    });
    functions.emplace_back([&] {
      pause(1ms);
      const pid_t child = ::vfork();
      if (child == 0) {
        ::dup2(STDERR_FILENO, number);
        ::close(number);
        ::_exit(0);
      }
      EXPECT_EQ(::waitpid(child, nullptr, 0), child);
      pause(1ms);
      ::send(pair.far.get(), "x", 1, 0);
    });
    co_await together(std::move(functions));
  });
}

TEST(HookChildren, ALibraryThatIsBoundPastTheHooksIsReported) {
  const Logged logged;
  void* const ordinary = ::dlopen("libanl.so.1", RTLD_NOW);
  ASSERT_NE(ordinary, nullptr);
  ::dlclose(ordinary);
  EXPECT_THAT(Logged::lines(), ::testing::IsEmpty());
#if defined(CLEARWAY_ASAN) || defined(CLEARWAY_TSAN)
  GTEST_SKIP() << "sanitizers end programs that do this";
#endif
  void* const deep = ::dlopen("libanl.so.1", RTLD_NOW | RTLD_DEEPBIND);
  ASSERT_NE(deep, nullptr);
  ::dlclose(deep);
  EXPECT_THAT(Logged::lines(), ElementsAre(HasSubstr("libanl.so.1 was opened with RTLD_DEEPBIND")));
}

}  // namespace
}  // namespace clearway
