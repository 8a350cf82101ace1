// A request in the steady state takes no memory: counted by the operators new of this program.

#include "server_world.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <new>
#include <thread>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CLEARWAY_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CLEARWAY_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef CLEARWAY_COUNTS_ALLOCATIONS
#define CLEARWAY_COUNTS_ALLOCATIONS 1
#endif

namespace {

// Of this thread: the client runs on another one.
constinit thread_local long allocations = 0;

}  // namespace

#if CLEARWAY_COUNTS_ALLOCATIONS
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }
#endif

namespace clearway::http {
namespace {

constexpr int requests = 1000;
constexpr int warm = 100;

// Sends each request when the answer to the one before has come; a blocking client.
void ask(std::uint16_t port, std::string_view request) {
  const int handle = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(handle, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  for (int count = 0; count < requests; ++count) {
    ASSERT_EQ(::send(handle, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char piece[1024];
    while (!answer.ends_with("Hello, world!")) {
      const ssize_t size = ::recv(handle, piece, sizeof piece, 0);
      ASSERT_GT(size, 0);
      answer.append(piece, static_cast<std::size_t>(size));
    }
  }
  ::close(handle);
}

// Allocations of the server between the `warm`th and the last of `requests` requests.
long allocations_of(std::string_view request) {
  int served = 0;
  long before = 0;
  long after = 0;
  const auto note = [&] {
    if (++served == warm) before = allocations;
    if (served == requests) after = allocations;
  };
  App app;
  app.get("/task", [&](Request&) -> Task<Response> {
    note();
    co_return "Hello, world!";
  });
  app.get("/plain", [&](Request&) {
    note();
    return "Hello, world!";
  });
  app.post("/users/{id:int}", [&](Request& request, int) -> Task<Response> {
    note();
    const std::string body = co_await request.body();
    EXPECT_EQ(body, "abc");
    co_return "Hello, world!";
  });
  const auto client = [&](Server& server) -> Task<> {
    std::thread thread(ask, server.address().port(), request);
    while (served < requests) co_await sleep(std::chrono::milliseconds(1));
    thread.join();
  };
  run(with_server(app, {}, client));
  return after - before;
}

TEST(ServerAllocations, ARequestTakesNone) {
  if (!CLEARWAY_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer has the operators new";
  std::string probe(100, 'x');  // were these operators not called, nothing would be counted
  EXPECT_GT(allocations, 0) << probe;
  // None of theirs: the Date line of a new second may take some.
  constexpr long few = requests / 100;
  EXPECT_LT(allocations_of("GET /task HTTP/1.1\r\nHost: example.com\r\n\r\n"), few);
  EXPECT_LT(
      allocations_of("GET /plain HTTP/1.1\r\nHost: example.com\r\n"
                     "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101\r\n"
                     "Accept: text/html,application/xhtml+xml;q=0.9\r\n\r\n"),
      few);
  EXPECT_LT(allocations_of("POST /users/7 HTTP/1.1\r\nHost: example.com\r\n"
                           "Content-Length: 3\r\n\r\nabc"),
            few);
}

}  // namespace
}  // namespace clearway::http
