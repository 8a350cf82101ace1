#include "server_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <clearway/base/error.hpp>

namespace clearway::http {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class MiddlewareTest : public ::testing::Test {
 protected:
  MiddlewareTest() {
    app.get("/", [this](Request&) -> Task<Response> {
      steps += "handler ";
      co_return "hello";
    });
    app.get("/now", [](Request&) { return "at once"; });
    app.get("/users/{id:int}",
            [](Request&, int id) -> Task<Response> { co_return fmt::format("user {}", id); });
    app.get("/refused", [](Request&) -> Task<Response> {
      throw Abort(403, "not you");
      co_return "";
    });
    app.get("/stream", [](Request&) -> Task<Response> {
      co_return Response::stream([](BodyWriter& out) -> Task<> {
        co_await out.write("one");
        co_await sleep(1s);
        co_await out.write("two");
      });
    });
  }

  // What a request for `path` gets, at every seed.
  void expect(const std::string& path, const ::testing::Matcher<std::string>& matcher) {
    sim::run_seeds(30, [&] {
      steps.clear();
      return with_server(app, {}, [&](Server& server) -> Task<> {
        const std::string answer = co_await exchange(server.address(), closing_get(path));
        EXPECT_THAT(answer, matcher) << path;
      });
    });
  }

  App app;
  std::string steps;
};

TEST_F(MiddlewareTest, TheFirstIsTheOutermost) {
  for (const char* name : {"a", "b", "c"}) {
    app.use([this, name](Request&, Next next) -> Task<Response> {
      steps += fmt::format("{}( ", name);
      Response response = co_await next();
      co_await sleep(1s);
      steps += fmt::format("){} ", name);
      co_return std::move(response.add_header("X-Layer", name));
    });
  }
  expect("/", AllOf(HasSubstr("X-Layer: c\r\nX-Layer: b\r\nX-Layer: a\r\n"), EndsWith("hello")));
  EXPECT_EQ(steps, "a( b( c( handler )c )b )a ");
}

TEST_F(MiddlewareTest, EveryAnswerComesThroughIt) {
  app.use([](Request&, Next next) -> Task<Response> {
    Response response = co_await next();
    co_return std::move(response.header("X-Seen", "yes"));
  });
  expect("/now", AllOf(HasSubstr("X-Seen: yes"), EndsWith("at once")));
  expect("/none", AllOf(StartsWith("HTTP/1.1 404"), HasSubstr("X-Seen: yes")));
  expect("/stream", AllOf(HasSubstr("X-Seen: yes"), HasSubstr("3\r\ntwo\r\n0\r\n\r\n")));
}

TEST_F(MiddlewareTest, MayAnswerItself) {
  app.use([](Request& request, Next next) -> Task<Response> {
    if (request.header("Authorization")) co_return co_await next();
    throw Abort(401, "who are you?");
  });
  expect("/", AllOf(StartsWith("HTTP/1.1 401"), EndsWith("who are you?\n")));
  EXPECT_EQ(steps, "");
}

TEST_F(MiddlewareTest, SeesWhatTheHandlerThrows) {
  app.use([](Request&, Next next) -> Task<Response> {
    std::string reason;
    try {
      co_return co_await next();
    } catch (const Abort& abort) {
      reason = abort.what();
    }
    co_return Response("sorry: " + reason).status(418);
  });
  expect("/refused", AllOf(StartsWith("HTTP/1.1 418"), EndsWith("sorry: not you")));
  expect("/users/99999999999", StartsWith("HTTP/1.1 418"));
  expect("/", EndsWith("hello"));
}

TEST_F(MiddlewareTest, KnowsTheRoute) {
  app.use([this](Request& request, Next next) -> Task<Response> {
    try {
      steps = request.parameter("id");
    } catch (const UsageError& error) {
      steps = error.what();
    }
    co_return co_await next();
  });
  expect("/users/7", EndsWith("user 7"));
  EXPECT_EQ(steps, "7");
  expect("/none", StartsWith("HTTP/1.1 404"));
  EXPECT_EQ(steps, "a request without route has no parameters");
}

TEST_F(MiddlewareTest, IsCancelledWithItsRequest) {
  app.use([this](Request&, Next next) -> Task<Response> {
    co_await sleep(5s);
    steps = "too late";
    co_return co_await next();
  });
  sim::run_seeds(30, [&] {
    return with_server(app, {}, [&](Server& server) -> Task<> {
      Stream stream = co_await connect(server.address());
      co_await stream.write(closing_get("/"));
      co_await sleep(1s);
      stream.reset();
      co_await sleep(10s);
      EXPECT_EQ(steps, "");
      EXPECT_EQ(server.connections(), 0U);
    });
  });
}

TEST_F(MiddlewareTest, IsNotPassedByInAMountedApp) {
  App admin;
  admin.use([](Request&, Next next) -> Task<Response> { co_return co_await next(); });
  EXPECT_THROW(app.mount("/admin", admin), UsageError);
}

}  // namespace
}  // namespace clearway::http
