// Files over streams.

#include <fcntl.h>
#include <unistd.h>
#include <clearway/net/connect.hpp>
#include <clearway/net/error.hpp>
#include <clearway/net/listener.hpp>
#include <clearway/os/file.hpp>
#include <tests/net/both.hpp>

#include <cerrno>
#include <string>

namespace clearway {
namespace {

using net_tests::Connected;
using net_tests::connected;
using net_tests::exhaust;
using net_tests::over_both;
using namespace std::chrono_literals;

// Bytes that tell where they come from.
std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t index = 0; index < size; ++index) {
    text[index] = static_cast<char>('a' + (index / 7 + index / 1000) % 26);
  }
  return text;
}

// A file that is gone with its test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    descriptor_ = Descriptor(::mkostemp(path_.data(), O_CLOEXEC));
    EXPECT_EQ(::write(descriptor_.get(), content.data(), content.size()), std::ssize(content));
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_.get(); }

 private:
  std::string path_ = "/tmp/clearway-send-file-XXXXXX";
  Descriptor descriptor_;
};

TEST(SendFile, SendsAPartAndLeavesThePosition) {
  const std::string content = pattern(300'000);
  const TemporaryFile temporary(content);
  over_both(
      [&]() -> Task<> {
        Connected ends = co_await connected();
        File file = co_await File::open(temporary.path());
        const auto first = co_await file.read_some(10);
        EXPECT_EQ(first, content.substr(0, 10));
        const auto send = [&]() -> Task<> {
          co_await ends.client.write("head ");
          co_await ends.client.send_file(file, 1000, 250'000);
          co_await ends.client.send_file(file, 0, 0);
          co_await ends.client.write(" tail");
          co_await ends.client.shutdown_write();
        };
        const auto [nothing, all] = co_await gather(send(), ends.server.read_all());
        EXPECT_EQ(all, "head " + content.substr(1000, 250'000) + " tail");
        EXPECT_EQ(ends.client.bytes_written(), 250'010U);
        const auto next = co_await file.read_some(10);
        EXPECT_EQ(next, content.substr(10, 10));
      },
      50);
}

TEST(SendFile, OverUnixSocketsAndSlowReaders) {
  const std::string content = pattern(3'000'000);
  const TemporaryFile temporary(content);
  over_both(
      [&]() -> Task<> {
        StreamPair pair = stream_pair();
        const auto send = [&]() -> Task<> {
          co_await pair.first.send_file(temporary, 0, content.size());
          pair.first.close();
        };
        const auto [nothing, all] = co_await gather(send(), pair.second.read_all(content.size()));
        EXPECT_TRUE(all == content);
      },
      5);
}

TEST(SendFile, AFileThatWasCutSaysSo) {
  const TemporaryFile temporary(pattern(1000));
  over_both(
      [&]() -> Task<> {
        Connected ends = co_await connected();
        const auto send = [&]() -> Task<> {
          try {
            co_await ends.client.send_file(temporary, 100, 2000);
            ADD_FAILURE() << "it was sent";
          } catch (const FileCutShort& error) {
            EXPECT_EQ(error.sent(), 900U);
            EXPECT_EQ(std::string(error.what()),
                      "cannot send \"" + temporary.path() + "\" to " +
                          ends.client.peer().to_string() +
                          ": it ended after 900 of 2000 bytes; it was cut while it was sent, so "
                          "close the connection");
          }
          ends.client.close();
        };
        const auto [nothing, all] = co_await gather(send(), ends.server.read_all());
        EXPECT_EQ(all, pattern(1000).substr(100));
      },
      50);
}

TEST(SendFile, NobodyElseWritesInBetween) {
  const TemporaryFile temporary(pattern(1'000'000));
  over_both(
      [&]() -> Task<> {
        Connected ends = co_await connected();
        const auto send = [&]() -> Task<> {
          co_await ends.client.send_file(temporary, 0, 1'000'000);
          ends.client.close();
        };
        const auto disturb = [&]() -> Task<> {
          co_await sleep(1ms);
          if (ends.client.bytes_written() == 1'000'000) co_return;
          try {
            co_await ends.client.write("x");
            ADD_FAILURE() << "two tasks write";
          } catch (const UsageError&) {
          }
          try {
            co_await ends.client.send_file(temporary, 0, 1);
            ADD_FAILURE() << "two tasks write";
          } catch (const UsageError&) {
          }
          const std::string all = co_await ends.server.read_all();
          EXPECT_TRUE(all == pattern(1'000'000));
        };
        co_await gather(send(), disturb());
      },
      5);
}

TEST(SendFile, APeerThatHasGoneIsAnError) {
  const TemporaryFile temporary(pattern(1'000'000));
  over_both(
      [&]() -> Task<> {
        Connected ends = co_await connected();
        ends.server.reset();
        try {
          for (int round = 0; round < 20; ++round) {
            co_await ends.client.send_file(temporary, 0, 1'000'000);
          }
          ADD_FAILURE() << "it was sent";
        } catch (const NetError& error) {
          EXPECT_EQ(error.phase(), NetPhase::write);
          EXPECT_NE(std::string(error.what()).find("cannot write to 127.0.0.1:"), std::string::npos)
              << error.what();
        }
      },
      50);
}

TEST(SendFile, NoSignalEndsTheProgramWhenThePeerHasGone) {
  const TemporaryFile temporary(pattern(1000));
  over_both(
      [&]() -> Task<> {
        StreamPair pair = stream_pair();
        pair.second.close();
        co_await sleep(2ms);
        try {
          for (int round = 0; round < 3; ++round) {
            co_await pair.first.send_file(temporary, 0, 1000);
          }
          ADD_FAILURE() << "it was sent";
        } catch (const NetError& error) {
          EXPECT_TRUE(error.code() == EPIPE || error.code() == ECONNRESET) << error.code();
        }
      },
      20);
}

template <class F>
Task<std::string> failure_of(Stream& stream, F& file) {
  try {
    co_await stream.send_file(file, 0, 1);
  } catch (const std::exception& error) {
    co_return error.what();
  }
  co_return "nothing failed";
}

// What the kernel makes as it is read, it cannot send by itself.
TEST(SendFile, FilesThatHaveToBeCopied) {
  tests::on_real_drivers([]() -> Task<> {
    Connected ends = co_await connected();
    File file = co_await File::open("/proc/self/status");
    co_await ends.client.send_file(file, 0, 5);
    const std::string head = co_await ends.server.read_exactly(5);
    EXPECT_EQ(head, "Name:");
  });
}

TEST(SendFile, ADirectoryOrAClosedFileIsAnError) {
  over_both(
      []() -> Task<> {
        Connected ends = co_await connected();
        File closed;
        std::string text = co_await failure_of(ends.client, closed);
        EXPECT_EQ(text, "send_file() needs an open file, and \"\" is closed");
        File folder = co_await File::open("/tmp");
        text = co_await failure_of(ends.client, folder);
        EXPECT_EQ(text, "cannot read a file that is sent: Is a directory");
        ends.client.close();
        const TemporaryFile temporary("x");
        text = co_await failure_of(ends.client, temporary);
        EXPECT_EQ(text, "cannot write to a stream that is closed");
      },
      20);
}

// Whatever is cancelled when: what was counted as sent is what the peer gets.
TEST(SendFile, CancelledItTellsHowMuchWasSent) {
  const std::string content = pattern(200'000);
  const TemporaryFile temporary(content);
  exhaust(
      [&](sim::Stage& stage) -> Task<> {
        Connected ends = co_await connected();
        std::string got;
        bool ended = false;
        const auto send = [&]() -> Task<> {
          co_await ends.client.send_file(temporary, 0, content.size());
        };
        const auto receive = [&]() -> Task<> {
          while (!ended) {
            auto piece = co_await ends.server.read_some();
            ended = !piece.has_value();
            got += piece.value_or("");
          }
        };
        const auto work = [&]() -> Task<> {
          co_await gather(send(), move_on_after(5ms, receive()));
        };
        co_await stage.run(work());
        const std::uint64_t sent = ends.client.bytes_written();
        ends.client.close();
        co_await receive();
        EXPECT_EQ(got.size(), sent);
        EXPECT_TRUE(got == content.substr(0, sent));
      },
      3);
}

}  // namespace
}  // namespace clearway
