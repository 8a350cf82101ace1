// Processes: what they say, how they end, and that nothing of them stays behind.

#include <cerrno>
#include <filesystem>
#include <string>

#include <sys/wait.h>
#include <unistd.h>
#include <clearway/os/process.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/timeout.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator folder("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

// No child is left, zombies included, and no descriptor.
class ProcessTest : public ::testing::Test {
 protected:
  ProcessTest() : descriptors_(open_descriptors()) {}
  ~ProcessTest() override {
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
    EXPECT_EQ(open_descriptors(), descriptors_);
  }

 private:
  std::size_t descriptors_;
};

Command shell(std::string script) { return Command("sh", "-c", std::move(script)); }

std::string error_of(Task<std::string> task) {
  try {
    return "no error: " + run(Task<std::string>(task.release()));
  } catch (const ProcessError& error) {
    return error.what();
  }
}

TEST_F(ProcessTest, GivesOutputAndStatus) {
  run([]() -> Task<> {
    const Completed done = co_await shell("echo out; echo err >&2; exit 3").output();
    EXPECT_EQ(done.output, "out\n");
    EXPECT_EQ(done.errors, "err\n");
    EXPECT_EQ(done.status.code(), 3);
    EXPECT_EQ(done.status.to_string(), "exit status 3");
    EXPECT_FALSE(done.status.success());
    const Completed killed = co_await shell("kill -9 $$").output();
    EXPECT_EQ(killed.status.signal(), SIGKILL);
    EXPECT_EQ(killed.status.code(), 137);
    EXPECT_EQ(killed.status.to_string(), "ended by SIGKILL");
    const ExitStatus plain = co_await Command("true").run();
    EXPECT_TRUE(plain.success());
  }());
}

TEST_F(ProcessTest, TakesInputOfAnyLength) {
  run([]() -> Task<> {
    const std::string much(1'000'000, 'x');  // many times what pipes hold
    Command cat("cat");
    cat.input(much);
    EXPECT_EQ(co_await cat.text(), much);
    Command careless("true");  // reads nothing, which must not end this program
    careless.input(much);
    EXPECT_EQ(co_await careless.text(), "");
  }());
}

TEST_F(ProcessTest, RunsWhereAndWithWhatItIsTold) {
  run([]() -> Task<> {
    Command command = shell("pwd; echo $A$B; echo ${HOME-nowhere}");
    command.directory("/usr").variable("A", "1").variable("B", "2").clear_environment();
    EXPECT_EQ(co_await command.text(), "/usr\n12\nnowhere\n");
    // Arguments go as they are: there is no shell.
    Command echo("echo");
    echo.argument("$HOME").argument("a b").argument("");
    EXPECT_EQ(co_await echo.text(), "$HOME a b \n");
  }());
}

TEST_F(ProcessTest, SaysWhatIsWrong) {
  EXPECT_EQ(error_of(Command("no-such-program").text()),
            "cannot start \"no-such-program\": No such file or directory; is it installed, and in "
            "PATH?");
  EXPECT_EQ(error_of(Command("/etc/passwd").text()),
            "cannot start \"/etc/passwd\": Permission denied; is it a program, and may it be run?");
  Command elsewhere("true");
  elsewhere.directory("/no/such/place");
  EXPECT_EQ(error_of(elsewhere.text()),
            "cannot start \"true\": its directory \"/no/such/place\": No such file or directory");
  EXPECT_EQ(error_of(shell("echo bad luck >&2; exit 4").text()),
            "\"sh -c echo bad luck >&2; exit 4\" failed: exit status 4; it said: bad luck");
  Command endless("yes");
  endless.limit(1000);
  EXPECT_EQ(error_of(endless.text()),
            "\"yes\" wrote more than 1000 bytes; the limit is Command::limit()");
}

TEST_F(ProcessTest, ATimeoutEndsTheWholeGroup) {
  run([]() -> Task<> {
    const Instant start = Loop::current().now();
    // The second sleep holds the output open after the shell has gone.
    Command family = shell("sleep 100 & sleep 100");
    EXPECT_THROW(co_await timeout(20ms, family.output()), TimedOut);
    // One that does not hear SIGTERM.
    Command deaf = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    deaf.grace(10ms);
    EXPECT_THROW(co_await timeout(50ms, deaf.output()), TimedOut);
    EXPECT_LT(Loop::current().now() - start, 10s);
  }());
}

TEST_F(ProcessTest, TalksToARunningProcess) {
  run([]() -> Task<> {
    const auto talk = [](Process& cat) -> Task<int> {
      co_await cat.input().write("one\n");
      const auto first = co_await cat.output().read_line();
      EXPECT_EQ(first, "one");
      co_await cat.input().write("two\n");
      const auto second = co_await cat.output().read_line();
      EXPECT_EQ(second, "two");
      cat.input().close();
      const auto end = co_await cat.output().read_line();
      EXPECT_FALSE(end.has_value());
      const ExitStatus status = co_await cat.wait();
      co_return status.code();
    };
    EXPECT_EQ(co_await Command("cat").start(talk), 0);
    // One that its block leaves is ended.
    pid_t pid = 0;
    co_await Command("sleep", "100").start([&](Process& sleeper) -> Task<> {
      pid = sleeper.pid();
      co_return;
    });
    EXPECT_EQ(::kill(pid, 0), -1);
  }());
}

TEST_F(ProcessTest, ABrokenPipeIsAnError) {
  run([]() -> Task<> {
    co_await Command("true").start([](Process& process) -> Task<> {
      co_await process.wait();
      try {
        co_await process.input().write("anybody?");
        ADD_FAILURE() << "written";
      } catch (const NetError& error) {
        EXPECT_EQ(error.code(), EPIPE);
        EXPECT_STREQ(error.what(), "cannot write to the input of \"true\": Broken pipe");
      }
    });
  }());
}

TEST_F(ProcessTest, ManyAtOnce) {
  run([]() -> Task<> {
    std::vector<int> numbers(50);
    const auto echo = [](int) { return Command("echo", "x").text(); };
    const auto all = co_await gather(numbers, echo);
    EXPECT_EQ(all, std::vector<std::string>(50, "x\n"));
  }());
}

// Cancelled at any moment, also on its way up and down.
TEST_F(ProcessTest, CancelledAtAnyMoment) {
  run([]() -> Task<> {
    for (int step = 0; step < 20; ++step) {
      Command command = shell("echo x; sleep 100");
      command.grace(1s);
      const auto none =
          co_await move_on_after(std::chrono::microseconds(step * 200), command.output());
      EXPECT_FALSE(none.has_value());
    }
  }());
}

TEST(ProcessWorld, ASimulatedWorldHasNone) {
  sim::run_seeds(2, []() -> Task<> { EXPECT_THROW(co_await Command("true").run(), UsageError); });
}

}  // namespace
}  // namespace clearway
