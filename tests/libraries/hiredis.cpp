// hiredis UNIX_SOCKET COUNT [threads]: BLPOP on a list of its own that stays empty, for a second.
// Every tenth waits for the socket's own timeout of 0.3 s instead.

#include <cerrno>
#include <memory>

#include <hiredis/hiredis.h>

#include "harness.hpp"

namespace {

void pop(const std::string& path, int number) {
  const std::unique_ptr<redisContext, decltype(&redisFree)> context(redisConnectUnix(path.c_str()),
                                                                    redisFree);
  if (context == nullptr || context->err != 0) libraries::fail("redisConnectUnix");
  const bool own_timeout = number % 10 == 9;
  if (own_timeout) redisSetTimeout(context.get(), {.tv_sec = 0, .tv_usec = 300'000});
  auto* const reply =
      static_cast<redisReply*>(redisCommand(context.get(), "BLPOP list-%d 1", number));
  const std::unique_ptr<void, decltype(&freeReplyObject)> owner(reply, freeReplyObject);
  if (own_timeout) {
    if (reply != nullptr || errno != EAGAIN) libraries::fail("SO_RCVTIMEO did not end the call");
  } else if (reply == nullptr || reply->type != REDIS_REPLY_NIL) {
    libraries::fail(reply == nullptr ? context->errstr : "not nil");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 1;
  const std::string path = argv[1];
  return libraries::run_calls(argv + 2, [&](int number) { pop(path, number); });
}
