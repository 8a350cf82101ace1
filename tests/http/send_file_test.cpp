// Files as answers: what a client gets, byte for byte.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <clearway/http/send_file.hpp>
#include <clearway/net/error.hpp>
#include <clearway/os/file.hpp>
#include <tests/http/server_world.hpp>
#include <tests/support/worlds.hpp>

#include <string>

namespace clearway::http {
namespace {

using namespace std::chrono_literals;

constexpr const char* modified = "Sun, 06 Nov 1994 08:49:37 GMT";

// A file of 1994, gone with its test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content, const std::string& ending = ".txt") {
    path_ += ending;
    Descriptor file(::mkostemps(path_.data(), static_cast<int>(ending.size()), O_CLOEXEC));
    EXPECT_EQ(::write(file.get(), content.data(), content.size()), std::ssize(content));
    const timespec times[2] = {{784111777, 0}, {784111777, 0}};
    EXPECT_EQ(::futimens(file.get(), times), 0);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/clearway-answer-XXXXXX";
};

// What the server answers to `request`, whose fields are `fields`.
std::string ask(const std::string& path, const std::string& method, const std::string& fields = "",
                std::uint64_t seed = 1) {
  std::string answer;
  App app;
  app.get("/file",
          [&](Request& request) -> Task<Response> { co_return co_await send_file(request, path); });
  const auto client = [&](Server& server) -> Task<> {
    answer = co_await exchange(server.address(), method + " /file HTTP/1.1\r\nHost: a\r\n" +
                                                     fields + "Connection: close\r\n\r\n");
  };
  SimulationOptions options;
  options.seed = seed;
  sim::run(options, [&] { return with_server(app, ServerOptions(), client); });
  return without_date(answer);
}

std::string status_of(const std::string& answer) { return answer.substr(9, 3); }
std::string body_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

TEST(SendFile, AnswersWithAllOfIt) {
  const TemporaryFile file("0123456789");
  const std::string head =
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n"
      "Content-Type: text/plain; charset=utf-8\r\nAccept-Ranges: bytes\r\n"
      "ETag: \"2ebc98a1.0-a\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(ask(file.path(), "GET", "", seed), head + "0123456789");
    EXPECT_EQ(ask(file.path(), "HEAD", "", seed), head);
  }
  const TemporaryFile empty("");
  const std::string answer = ask(empty.path(), "GET");
  EXPECT_EQ(status_of(answer), "200");
  EXPECT_NE(answer.find("Content-Length: 0\r\n"), std::string::npos);
}

TEST(SendFile, OneRange) {
  const TemporaryFile file("0123456789");
  const auto range = [&](const std::string& text) {
    return ask(file.path(), "GET", "Range: " + text + "\r\n");
  };
  const auto expect_part = [&](const std::string& text, const std::string& where,
                               const std::string& part) {
    const std::string answer = range(text);
    EXPECT_EQ(status_of(answer), "206") << text;
    EXPECT_NE(answer.find("\r\nContent-Range: bytes " + where + "/10\r\n"), std::string::npos)
        << answer;
    EXPECT_EQ(body_of(answer), part) << text;
  };
  expect_part("bytes=2-4", "2-4", "234");
  expect_part("bytes=7-", "7-9", "789");
  expect_part("bytes=-3", "7-9", "789");
  expect_part("bytes=-300", "0-9", "0123456789");
  expect_part("BYTES=9-18446744073709551616", "9-9", "9");
  for (const char* text : {"bytes=10-", "bytes=-0", "bytes=99999999999999999999-"}) {
    const std::string answer = range(text);
    EXPECT_EQ(status_of(answer), "416") << text;
    EXPECT_NE(answer.find("Content-Range: bytes */10\r\n"), std::string::npos);
  }
  for (const char* text : {"bytes=4-2", "bytes=a-b", "bytes=1-2,4-5", "lines=1-2", "bytes=", "-",
                           "bytes=-", "bytes=--1"}) {
    const std::string answer = range(text);
    EXPECT_EQ(status_of(answer), "200") << text;
    EXPECT_EQ(body_of(answer), "0123456789");
  }
  EXPECT_EQ(status_of(ask(file.path(), "HEAD", "Range: bytes=2-4\r\n")), "200");
  const auto if_range = [&](const std::string& validator) {
    return status_of(
        ask(file.path(), "GET", "Range: bytes=2-4\r\nIf-Range: " + validator + "\r\n"));
  };
  EXPECT_EQ(if_range("\"2ebc98a1.0-a\""), "206");
  EXPECT_EQ(if_range("W/\"2ebc98a1.0-a\""), "200") << "a weak tag proves no bytes";
  EXPECT_EQ(if_range("\"other\""), "200");
  EXPECT_EQ(if_range("*"), "200");
  EXPECT_EQ(if_range(modified), "206");
  EXPECT_EQ(if_range("Sun, 06 Nov 1994 08:49:38 GMT"), "200");
}

// RFC 9110 section 13.2.2, in its order.
TEST(SendFile, Preconditions) {
  const TemporaryFile file("0123456789");
  const std::string tag = "\"2ebc98a1.0-a\"";
  const auto status = [&](const std::string& fields, const std::string& method = "GET") {
    return status_of(ask(file.path(), method, fields));
  };
  EXPECT_EQ(status("If-None-Match: " + tag + "\r\n"), "304");
  EXPECT_EQ(status("If-None-Match: W/" + tag + "\r\n", "HEAD"), "304");
  EXPECT_EQ(status("If-None-Match: \"x\" , " + tag + "\r\n"), "304");
  EXPECT_EQ(status("If-None-Match: *\r\n"), "304");
  EXPECT_EQ(status("If-None-Match: \"x\"\r\n"), "200");
  EXPECT_EQ(status(std::string("If-Modified-Since: ") + modified + "\r\n"), "304");
  EXPECT_EQ(status("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n"), "200");
  EXPECT_EQ(status("If-Modified-Since: yesterday\r\n"), "200");
  EXPECT_EQ(status(std::string("If-None-Match: \"x\"\r\nIf-Modified-Since: ") + modified + "\r\n"),
            "200")
      << "the tag decides";
  EXPECT_EQ(status("If-Match: " + tag + "\r\n"), "200");
  EXPECT_EQ(status("If-Match: W/" + tag + "\r\n"), "412") << "the comparison is strong";
  EXPECT_EQ(status("If-Match: \"x\"\r\n"), "412");
  EXPECT_EQ(status("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n"), "412");
  EXPECT_EQ(status(std::string("If-Unmodified-Since: ") + modified + "\r\n"), "200");
  const std::string answer = ask(file.path(), "GET", "If-None-Match: " + tag + "\r\n");
  EXPECT_EQ(body_of(answer), "");
  EXPECT_NE(answer.find("ETag: " + tag + "\r\n"), std::string::npos);
  EXPECT_EQ(answer.find("Content-Length"), std::string::npos);
}

TEST(SendFile, WhatIsNotThere) {
  EXPECT_EQ(body_of(ask("/no/such/file", "GET")), "there is no such file\n");
  EXPECT_EQ(status_of(ask("/no/such/file", "GET")), "404");
  EXPECT_EQ(status_of(ask("/tmp", "GET")), "404") << "a directory is no file";
  EXPECT_EQ(status_of(ask("/etc/passwd/x", "GET")), "404");
}

TEST(SendFile, TypesFollowFromTheEnding) {
  EXPECT_EQ(content_type_of("a/index.HTML"), "text/html; charset=utf-8");
  EXPECT_EQ(content_type_of("photo.jpeg"), "image/jpeg");
  EXPECT_EQ(content_type_of("archive.tar.gz"), "application/gzip");
  EXPECT_EQ(content_type_of("a.html/README"), "application/octet-stream");
  EXPECT_EQ(content_type_of("none"), "application/octet-stream");
  EXPECT_EQ(content_type_of("unknown.xyz"), "application/octet-stream");
}

TEST(SendFile, LargeOnesWithKeepAliveOnEveryDriver) {
  std::string content(3'000'000, ' ');
  for (std::size_t index = 0; index < content.size(); ++index) {
    content[index] = static_cast<char>('a' + (index / 7 + index / 1000) % 26);
  }
  const TemporaryFile file(content, ".bin");
  tests::on_both_drivers(
      [&]() -> Task<> {
        App app;
        app.get("/file", [&](Request& request) -> Task<Response> {
          co_return co_await send_file(request, file.path());
        });
        const auto client = [&](Server& server) -> Task<> {
          Session session("http://" + server.address().to_string());
          for (int round = 0; round < 2; ++round) {
            auto answer = co_await session.get("/file");
            const std::string body = co_await answer.text();
            EXPECT_TRUE(body == content);
          }
          auto part = co_await session.get("/file").header("Range", "bytes=1000000-2000000");
          EXPECT_EQ(part.status(), 206);
          const std::string body = co_await part.text();
          EXPECT_TRUE(body == content.substr(1'000'000, 1'000'001));
        };
        co_await with_server(app, ServerOptions(), client);
      },
      3);
}

// To clients of HTTP/1.0, and where no length was announced: chunked.
TEST(SendFile, PartsOfFilesInAStreamedAnswer) {
  const TemporaryFile file("0123456789");
  App app;
  app.get("/parts", [&](Request&) -> Task<Response> {
    co_return Response::stream([&](BodyWriter& out) -> Task<> {
      File open = co_await File::open(file.path());
      co_await out.write("<");
      co_await out.write_file(open, 2, 3);
      co_await out.write(">");
    });
  });
  std::string answer;
  const auto client = [&](Server& server) -> Task<> {
    answer = co_await exchange(server.address(), closing_get("/parts"));
  };
  sim::run(SimulationOptions(), [&] { return with_server(app, ServerOptions(), client); });
  EXPECT_EQ(body_of(answer), "1\r\n<\r\n3\r\n234\r\n1\r\n>\r\n0\r\n\r\n");
}

TEST(SendFile, AFileThatIsCutEndsTheConnection) {
  const TemporaryFile file("0123456789");
  App app;
  app.get("/file", [&](Request&) -> Task<Response> {
    co_return Response::stream([&](BodyWriter& out) -> Task<> {
      File open = co_await File::open(file.path());
      co_await out.write_file(open, 0, 100);
    }).content_length(100);
  });
  std::string answer;
  const auto client = [&](Server& server) -> Task<> {
    answer = co_await exchange(server.address(), "GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
  };
  sim::run(SimulationOptions(), [&] { return with_server(app, ServerOptions(), client); });
  EXPECT_NE(answer.find("Content-Length: 100\r\n"), std::string::npos);
  EXPECT_EQ(body_of(answer), "0123456789");
}

TEST(SendFile, AClientThatLeavesHarmsNobody) {
  const TemporaryFile file(std::string(500'000, 'x'));
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    App app;
    app.get("/file", [&](Request& request) -> Task<Response> {
      co_return co_await send_file(request, file.path());
    });
    const auto client = [&](Server& server) -> Task<> {
      Stream stream = co_await connect(server.address());
      co_await stream.write("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
      const std::string some = co_await stream.read_exactly(1000 * seed);
      stream.reset();
      const std::string next = co_await exchange(server.address(), closing_get("/file"));
      EXPECT_EQ(body_of(next).size(), 500'000U);
    };
    SimulationOptions options;
    options.seed = seed;
    sim::run(options, [&] { return with_server(app, ServerOptions(), client); });
  }
}

// The file is its owner's again when the wait for it was cut short: nothing is sent from its
// descriptor any more, which may be another file's by then.
TEST(SendFile, AFileThatNobodyWaitsForIsSentNoFurther) {
  const TemporaryFile file(std::string(20'000'000, 'x'));
  const TemporaryFile other(std::string(20'000'000, 'y'));
  tests::on_both_drivers(
      [&]() -> Task<> {
        App app;
        app.get("/file", [&](Request&) -> Task<Response> {
          co_return Response::stream([&](BodyWriter& out) -> Task<> {
            int number = 0;
            {
              File open = co_await File::open(file.path());
              number = open.descriptor();
              static_cast<void>(
                  co_await as_result(timeout(20ms, out.write_file(open, 0, 20'000'000))));
            }
            File next = co_await File::open(other.path());
            EXPECT_EQ(next.descriptor(), number) << "the test needs the same number again";
            static_cast<void>(co_await as_result(timeout(20ms, out.write("more"))));
            co_await sleep(20ms);
          }).content_length(20'000'000);
        });
        const auto client = [&](Server& server) -> Task<> {
          Stream stream = co_await connect(server.address());
          co_await stream.write("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
          co_await sleep(60ms);  // it reads nothing, until both have been given up
          std::string body;
          try {
            while (auto piece = co_await stream.read_some()) body += *piece;
          } catch (const NetError&) {  // the connection ends in the middle
          }
          body = body_of(body);
          EXPECT_LT(body.size(), 20'000'000U);
          EXPECT_EQ(body.find('y'), std::string::npos);
          EXPECT_EQ(body.find("more"), std::string::npos);
        };
        co_await with_server(app, ServerOptions(), client);
      },
      20);
}

TEST(SendFile, AFifoKeepsNobodyWaiting) {
  const TemporaryFile name("");
  ::unlink(name.path().c_str());
  ASSERT_EQ(::mkfifo(name.path().c_str(), 0600), 0);
  EXPECT_EQ(status_of(ask(name.path(), "GET")), "404");
}

// The kernel refuses to send from there, or says nothing of what is in memory.
TEST(SendFile, FilesOfStrangeFileSystems) {
  for (const char* path : {"/proc/config.gz", "/sys/kernel/mm/transparent_hugepage/enabled"}) {
    if (::access(path, R_OK) != 0) continue;
    tests::on_both_drivers([&]() -> Task<> {
      App app;
      std::string content;
      app.get("/file", [&](Request&) -> Task<Response> {
        content = co_await read_file(path);
        co_return Response::stream([&](BodyWriter& out) -> Task<> {
          File open = co_await File::open(path);
          co_await out.write_file(open, 0, content.size());
        }).content_length(content.size());
      });
      const auto client = [&](Server& server) -> Task<> {
        const std::string answer = co_await exchange(server.address(), closing_get("/file"));
        EXPECT_TRUE(body_of(answer) == content) << path;
      };
      co_await with_server(app, ServerOptions(), client);
    });
  }
}

}  // namespace
}  // namespace clearway::http
