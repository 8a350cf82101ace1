#include <clearway/http/app.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <clearway/base/error.hpp>

namespace clearway::http {
namespace {

using testing::HasSubstr;

std::string error_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

class RouterTest : public testing::Test {
 protected:
  // What the path finds: its pattern and its raw parameters, or why not.
  std::string find(std::string_view path, std::string_view method = "GET") {
    Router::Match match;
    app.router().find(parse_method(method), method, path, match);
    switch (match.outcome) {
      case Router::Outcome::NoPath:
        return "404";
      case Router::Outcome::NoMethod:
        return "405 " + match.endpoint->allow;
      case Router::Outcome::BadEscape:
        return "400";
      case Router::Outcome::Found:
        break;
    }
    std::string text = match.entry->pattern.text();
    for (std::size_t index = 0; index < match.parameters.count; ++index) {
      text += " " + decode_parameter(match.parameters.values[index]);
    }
    return text;
  }

  App app;
};

Response plain(Request&) { return "x"; }
Response with_text(Request&, std::string text) { return text; }
Response with_number(Request&, int) { return "x"; }

TEST_F(RouterTest, FindsByShape) {
  app.get("/", plain);
  app.get("/users", plain);
  app.get("/users/me", plain);
  app.get("/users/{id:int}", with_number);
  app.get("/users/{name}", with_text);
  app.get("/files/{rest:path}", with_text);
  EXPECT_EQ(find("/"), "/");
  EXPECT_EQ(find("/users"), "/users");
  EXPECT_EQ(find("/users/me"), "/users/me");
  EXPECT_EQ(find("/users/17"), "/users/{id:int} 17");
  EXPECT_EQ(find("/users/-17"), "/users/{id:int} -17");
  EXPECT_EQ(find("/users/ann"), "/users/{name} ann");
  EXPECT_EQ(find("/files/a/b/c"), "/files/{rest:path} a/b/c");
  EXPECT_EQ(find("/users/"), "404");
  EXPECT_EQ(find("/users/me/x"), "404");
  EXPECT_EQ(find("/nothing"), "404");
  EXPECT_EQ(find("*"), "404");
  EXPECT_EQ(find(""), "404");
}

TEST_F(RouterTest, GoesBackWhenTheBetterBranchEnds) {
  app.get("/a/b/c", plain);
  app.get("/a/{x}/d", with_text);
  app.get("/{rest:path}", with_text);
  EXPECT_EQ(find("/a/b/c"), "/a/b/c");
  EXPECT_EQ(find("/a/b/d"), "/a/{x}/d b");
  EXPECT_EQ(find("/a/b/e"), "/{rest:path} a/b/e");
}

TEST_F(RouterTest, DecodesOnceAndAfterSplitting) {
  app.get("/caf\xC3\xA9", plain);
  app.get("/{name}", with_text);
  EXPECT_EQ(find("/caf%C3%A9"), "/caf\xC3\xA9");
  EXPECT_EQ(find("/a%2Fb"), "/{name} a/b");
  EXPECT_EQ(find("/a%252F"), "/{name} a%2F");
  EXPECT_EQ(find("/a%zz"), "400");
  EXPECT_EQ(find("/a%00b"), "400");
}

TEST_F(RouterTest, KnowsItsMethods) {
  app.get("/x", plain);
  app.post("/x", plain);
  app.route("PURGE", "/x", plain);
  EXPECT_EQ(find("/x", "HEAD"), "/x");
  EXPECT_EQ(find("/x", "PURGE"), "/x");
  EXPECT_EQ(find("/x", "DELETE"), "405 GET, POST, PURGE, HEAD, OPTIONS");
  EXPECT_EQ(find("/x", "OPTIONS"), "405 GET, POST, PURGE, HEAD, OPTIONS");
  EXPECT_EQ(find("/x", "purge"), "405 GET, POST, PURGE, HEAD, OPTIONS");
}

TEST_F(RouterTest, RefusesBadPatternsWithTheColumn) {
  const auto get = [&](const char* pattern) {
    return error_of([=, this] { app.get(pattern, with_text); });
  };
  EXPECT_THAT(get("users/{id}"), HasSubstr("column 1: a route begins with '/'"));
  EXPECT_THAT(get("/x{id}"), HasSubstr("column 3: a parameter is a whole segment"));
  EXPECT_THAT(get("/{id:float}"), HasSubstr("column 6: unknown type \"float\""));
  EXPECT_THAT(get("/{}"), HasSubstr("name consists of"));
  EXPECT_THAT(get("/{a:path}/b"), HasSubstr("nothing can follow it"));
  EXPECT_THAT(get("/{a}/{a}"), HasSubstr("\"a\" is used twice"));
  EXPECT_THAT(get("/{a}?x"), HasSubstr("a parameter is a whole segment"));
  EXPECT_THAT(get("/x?y"), HasSubstr("column 3: '?'"));
}

TEST_F(RouterTest, RefusesConflictsAndWrongHandlers) {
  app.get("/users/{id}", with_text);
  EXPECT_THAT(error_of([&] { app.get("/users/{name}", with_text); }),
              HasSubstr("GET \"/users/{name}\" is there already, as \"/users/{id}\""));
  app.post("/users/{name}", with_text);
  EXPECT_THAT(error_of([&] { app.get("/a/{id:int}", with_text); }),
              HasSubstr("takes std::string for \"id\", which the pattern gives as an integer"));
  EXPECT_THAT(error_of([&] { app.get("/b/{id}", with_number); }), HasSubstr("write {name:int}"));
  EXPECT_THAT(error_of([&] { app.get("/c", with_number); }),
              HasSubstr("has 0 parameters, and its handler takes 1"));
}

TEST_F(RouterTest, Mounts) {
  App admin;
  admin.get("/", plain);
  admin.get("/users/{id:int}", with_number);
  app.mount("/admin", admin);
  EXPECT_EQ(find("/admin"), "/admin");
  EXPECT_EQ(find("/admin/"), "/admin/");
  EXPECT_EQ(find("/admin/users/3"), "/admin/users/{id:int} 3");
  EXPECT_THAT(error_of([&] { app.mount("/admin/", admin); }), HasSubstr("does not end with one"));
  EXPECT_THAT(error_of([&] { app.mount("/self", app); }), HasSubstr("below itself"));
}

}  // namespace
}  // namespace clearway::http
