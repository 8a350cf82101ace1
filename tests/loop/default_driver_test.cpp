// Which driver a program gets: what CLEARWAY_DRIVER asks for, and epoll where io_uring is
// forbidden.

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <functional>

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/loop/loop.hpp>
#include <clearway/loop/uring_driver.hpp>

namespace {

using namespace clearway;

// From now on io_uring_setup() fails in this process, as in a container. False: no seccomp here.
bool forbid_uring(int code) {
  const auto answer = SECCOMP_RET_ERRNO | static_cast<unsigned>(code);
  std::array<sock_filter, 4> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, answer),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{.len = program.size(), .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// What `talk` says in a process of its own.
std::string in_a_process(const std::function<std::string()>& talk) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string text = talk();
    [[maybe_unused]] const ssize_t written = ::write(ends[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string said;
  std::array<char, 1000> piece{};
  for (ssize_t count = 0; (count = ::read(ends[0], piece.data(), piece.size())) > 0;) {
    said.append(piece.data(), static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return said;
}

void wish(const char* driver) {
  if (driver == nullptr) {
    ::unsetenv("CLEARWAY_DRIVER");
  } else {
    ::setenv("CLEARWAY_DRIVER", driver, 1);
  }
}

std::string logged;

// The name of the driver that a loop gets and works with, with the log's line; or the error.
std::string chosen() {
  log::set_level(log::Level::info);
  log::set_sink([](log::Level, std::string_view, std::string_view line) { logged = line; });
  try {
    Loop loop(make_default_driver());
    loop.post([&] { loop.stop(); });
    loop.run();
    return std::string(loop.driver().name()) + "; " + logged;
  } catch (const UsageError& error) {
    return std::string("error: ") + error.what();
  }
}

bool uring_is_here() {
  try {
    UringDriver driver;
    return true;
  } catch (const SystemError&) {
    return false;
  }
}

TEST(DefaultDriver, TheVariableForcesOne) {
  const auto with = [](const char* driver) {
    return in_a_process([=] {
      wish(driver);
      return chosen();
    });
  };
  EXPECT_EQ(with("epoll"), "epoll; loops run on epoll: CLEARWAY_DRIVER asks for it");
  EXPECT_NE(with("kqueue").find("error: CLEARWAY_DRIVER is \"kqueue\": set it to epoll or uring"),
            std::string::npos);
  EXPECT_NE(with(nullptr).find("; loops run on "), std::string::npos);
  if (!uring_is_here()) GTEST_SKIP() << "no io_uring here";
  const std::string uring = with("uring");
  EXPECT_EQ(uring.find("io_uring; loops run on io_uring ("), 0U) << uring;
}

TEST(DefaultDriver, WhereUringIsForbiddenItIsEpoll) {
  for (const int code : {EPERM, ENOSYS}) {
    const auto with = [=](const char* driver) {
      return in_a_process([=]() -> std::string {
        if (!forbid_uring(code)) return "";
        wish(driver);
        return chosen();
      });
    };
    const std::string text = with(nullptr);
    if (text.empty()) GTEST_SKIP() << "no seccomp filters here";
    EXPECT_EQ(text.find("epoll; loops run on epoll"), 0U) << text;
    const std::string refused = with("uring");
    EXPECT_EQ(refused.find("error: CLEARWAY_DRIVER=uring: no io_uring: "), 0U) << refused;
    EXPECT_NE(refused.find("seccomp"), std::string::npos) << refused;
  }
}

}  // namespace
