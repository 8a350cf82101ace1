// Files: whole ones, open ones, directories, and what goes wrong. In the world of threads and in
// the simulated one, where to_thread runs inline.

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <clearway/os/file.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/timeout.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::on_both_drivers;

// A folder of its own for each test, gone afterwards.
class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "clearway-files-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  static std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_),
                                                  std::filesystem::directory_iterator()));
  }

  std::string folder_;
};

template <class T>
std::string error_of(Task<T> task) {
  try {
    run(Task<T>(task.release()));
    return "";
  } catch (const FileError& error) {
    return error.what();
  }
}

TEST_F(FileTest, WholeFiles) {
  on_both_drivers([this]() -> Task<> {
    co_await write_file(path("a"), "one\n");
    co_await append_file(path("a"), "two\n");
    EXPECT_EQ(co_await read_file(path("a")), "one\ntwo\n");
    co_await write_file(path("a"), "");
    EXPECT_EQ(co_await read_file(path("a")), "");
    const std::string big(3'000'000, 'x');
    co_await write_file(path("big"), big);
    EXPECT_EQ(co_await read_file(path("big")), big);
    EXPECT_EQ(co_await read_file(path("big"), big.size()), big);
    EXPECT_THROW(co_await read_file(path("big"), big.size() - 1), FileError);
    EXPECT_EQ(co_await read_file(path("big"), std::numeric_limits<std::size_t>::max()), big);
    EXPECT_THROW(co_await read_file(path("big"), 0), FileError);
  });
}

TEST_F(FileTest, FilesThatDoNotKnowTheirSize) {
  run([]() -> Task<> {
    const std::string status = co_await read_file("/proc/self/status");
    EXPECT_NE(status.find("Pid:"), std::string::npos);
  }());
}

// What is in memory is read without a thread, and the other tasks have their turns all the same.
TEST_F(FileTest, ReadingFromMemoryStarvesNobody) {
  tests::on_real_drivers([&]() -> Task<> {
    co_await write_file(path("a"), std::string(4096, 'x'));
    File file = co_await File::open(path("a"));
    int turns = 0;
    bool ended = false;
    const auto others = [&]() -> Task<> {
      while (!ended) {
        co_await sleep(0ms);
        ++turns;
      }
    };
    const auto read = [&]() -> Task<> {
      for (int round = 0; round < 2000; ++round) {
        EXPECT_EQ((co_await read_file(path("a"))).size(), 4096U);
        EXPECT_EQ((co_await file.read_at(1000, 5000)).size(), 3096U);
        EXPECT_EQ((co_await file.read_at(5000, 10)).size(), 0U);
      }
      ended = true;
    };
    co_await gather(others(), read());
    EXPECT_GT(turns, 10);
  });
}

TEST_F(FileTest, ACancelledTaskReadsNothing) {
  tests::on_real_drivers([&]() -> Task<> {
    co_await write_file(path("a"), "x");
    bool read = false;
    const auto try_to = [&]() -> Task<> {
      try {
        co_await sleep(1000s);
      } catch (const Cancelled&) {
      }
      co_await read_file(path("a"));
      read = true;
    };
    const auto ended = co_await move_on_after(1ms, try_to());
    EXPECT_FALSE(ended.has_value());
    EXPECT_FALSE(read);
  });
}

// A pipe that nobody writes to must not be opened on the loop's thread.
TEST_F(FileTest, ANamedPipeStopsNobody) {
  tests::on_real_drivers([&]() -> Task<> {
    const std::string pipe = path("pipe");
    EXPECT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const auto write = [&]() -> Task<> {
      co_await sleep(2ms);
      co_await append_file(pipe, "through a pipe");
    };
    const auto [content, nothing] = co_await gather(read_file(pipe), write());
    EXPECT_EQ(content, "through a pipe");
    ::unlink(pipe.c_str());
  });
}

TEST_F(FileTest, ReplacingKeepsPermissionsAndFollowsLinks) {
  run([this]() -> Task<> {
    co_await replace_file(path("a"), "first");
    EXPECT_EQ(content(path("a")), "first");
    struct stat fresh{};
    ::stat(path("a").c_str(), &fresh);
    const mode_t mask = ::umask(022);
    ::umask(mask);
    EXPECT_EQ(fresh.st_mode & 07777, 0666U & ~mask);
    ::chmod(path("a").c_str(), 0640);
    std::filesystem::create_symlink("a", path("link"));
    co_await replace_file(path("link"), "second");
    EXPECT_EQ(content(path("a")), "second");
    EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
    struct stat status{};
    ::stat(path("a").c_str(), &status);
    EXPECT_EQ(status.st_mode & 07777, 0640U);
    EXPECT_EQ(files(), 2U);
  }());
}

// A disk that fills up, played by a limit on the size of files.
TEST_F(FileTest, AReplacementThatFailsLeavesTheOldFile) {
  run([this]() -> Task<> { co_await write_file(path("a"), "precious"); }());
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{.rlim_cur = 1000, .rlim_max = 1000};
    ::setrlimit(RLIMIT_FSIZE, &small);
    const std::string problem = error_of(replace_file(path("a"), std::string(5000, 'x')));
    const bool told =
        problem.find("File too large (1000 of 5000 bytes were written)") != std::string::npos;
    ::_exit(told ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(content(path("a")), "precious");
  EXPECT_EQ(files(), 1U);
}

TEST_F(FileTest, SaysWhatIsWrong) {
  EXPECT_EQ(error_of(read_file(path("none"))),
            "cannot read \"" + path("none") +
                "\": No such file or directory; is the path right, from the directory that the "
                "program runs in?");
  EXPECT_EQ(error_of(read_file(folder_)), "cannot read \"" + folder_ + "\": Is a directory");
  EXPECT_EQ(error_of(write_file("/dev/full", "abc")),
            "cannot write \"/dev/full\": No space left on device (0 of 3 bytes were written); make "
            "room, or write elsewhere");
  EXPECT_NE(error_of(list_directory(path("none"))), "");
  EXPECT_NE(error_of(replace_file(path("none/a"), "x")), "");
  EXPECT_NE(error_of(read_file(std::string("a\0b", 3))), "");
  EXPECT_NE(error_of(write_file("", "x")), "");
}

TEST_F(FileTest, ReadingLinesAndPieces) {
  on_both_drivers([this]() -> Task<> {
    co_await write_file(path("a"), "one\r\n\nthree\nlast");
    File file = co_await File::open(path("a"));
    std::vector<std::string> lines;
    for (;;) {
      auto line = co_await file.read_line();
      if (!line) break;
      lines.push_back(std::move(*line));
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "three", "last"}));
    co_await file.seek(5);
    const auto piece = co_await file.read_some(4);
    EXPECT_EQ(piece, "\nthr");
    EXPECT_EQ(co_await file.read_at(1, 3), "ne\r");
    const auto rest = co_await file.read_some();
    EXPECT_EQ(rest, "ee\nlast");
    const auto end = co_await file.read_some();
    EXPECT_FALSE(end.has_value());
    co_await file.seek(0);
    EXPECT_THROW(co_await file.read_line(2), FileError);
    const auto still = co_await file.read_line();
    EXPECT_EQ(still, "one");
    co_await file.close();
    co_await file.close();
    EXPECT_THROW(co_await file.read_some(), FileError);
  });
}

TEST_F(FileTest, UpdatingInPlace) {
  on_both_drivers([this]() -> Task<> {
    std::filesystem::remove(path("a"));
    File file = co_await File::open(path("a"), File::Mode::update);
    co_await file.write("hello world");
    co_await file.write_at(0, "J");
    co_await file.seek(0);
    const auto start = co_await file.read_some(5);
    EXPECT_EQ(start, "Jello");
    co_await file.write("-");  // where reading has got to, not where it had read ahead
    EXPECT_EQ(co_await file.size(), 11U);
    co_await file.resize(7);
    co_await file.sync();
    co_await file.close();
    EXPECT_EQ(co_await read_file(path("a")), "Jello-w");
    File log = co_await File::open(path("a"), File::Mode::append);
    co_await log.write("!");
    EXPECT_EQ(co_await read_file(path("a")), "Jello-w!");
    EXPECT_THROW(co_await log.read_some(), FileError);
  });
}

TEST_F(FileTest, TwoOperationsAtOnceAreRefused) {
  run([this]() -> Task<> {
    File file = co_await File::open(path("a"), File::Mode::write);
    EXPECT_THROW(co_await gather(file.write("a"), file.write("b")), UsageError);
  }());
}

TEST_F(FileTest, DirectoriesAreListedInOrder) {
  on_both_drivers([this]() -> Task<> {
    co_await write_file(path("b"), "");
    std::filesystem::create_directories(path("a"));
    std::filesystem::remove(path("c"));
    std::filesystem::create_symlink("b", path("c"));
    using Kind = DirectoryEntry::Kind;
    std::string text;
    for (const auto& entry : co_await list_directory(folder_)) {
      text += entry.name;
      text += entry.kind == Kind::directory ? "/" : entry.kind == Kind::link ? "@" : "";
      text += ' ';
    }
    EXPECT_EQ(text, "a/ b c@ ");
  });
}

// However it is cancelled, an atomic replacement has happened or not.
TEST_F(FileTest, CancellationExhaustion) {
  sim::exhaust_cancellation([this](sim::Stage& stage) -> Task<> {
    co_await write_file(path("a"), "old");
    const auto work = [this]() -> Task<> {
      co_await replace_file(path("a"), "new");
      File file = co_await File::open(path("a"), File::Mode::update);
      auto line = co_await file.read_line();
      co_await file.write_at(0, *line);
      co_await file.close();
    };
    auto done = co_await stage.run(work());
    const std::string now = co_await read_file(path("a"));
    EXPECT_TRUE(now == "new" || (!done && now == "old")) << now;
    EXPECT_EQ(files(), 1U);
  });
}

}  // namespace
}  // namespace clearway
