// Blocking code, four ways: a native request; the blocking library in a program that is all fibers,
// in a thread, and on a fiber. Something else ticks every 10 ms all the while.

#include <fmt/format.h>
#include <clearway/clearway.hpp>
#include <clearway/http.hpp>
#include <clearway/json.hpp>

#include "../support/program.hpp"
#include "send_sms_blocking.hpp"

using namespace clearway;
using namespace std::chrono_literals;

namespace {

// Way 1: no blocking code at all.
Task<std::string> send_sms(http::Session& session, Account& account, Message& message) {
  auto sent =
      co_await session.post(fmt::format("/2010-04-01/Accounts/{}/Messages.json", account.sid))
          .basic_auth(account.sid, account.token)
          .form("From", message.from)
          .form("To", message.to)
          .form("Body", message.body)
          .json();
  co_return sent["sid"];
}

// Way 3: the blocking function in a thread.
Task<std::string> send_sms_in_thread(Account& account, Message& message) {
  co_return co_await to_thread(send_sms_blocking, account, message);
}

// Way 4: the blocking function on a fiber of this loop.
Task<std::string> send_sms_on_fiber(Account& account, Message& message) {
  co_return co_await fiber::run(send_sms_blocking, account, message);
}

void report(const std::string& id, int ticks) {
  fmt::print("sent as {}; the loop ticked {} times meanwhile\n", id, ticks);
}

Task<> amain(Account& account, Message& message, std::string way) {
  const example::StandIn stand_in(account.base_url);
  http::Session session(account.base_url);
  int ticks = 0;
  auto tick = [&] { ++ticks; };
  auto send = [&] {
    if (way == "thread") return send_sms_in_thread(account, message);
    if (way == "fiber") return send_sms_on_fiber(account, message);
    return send_sms(session, account, message);
  };
  auto [never_ends, id] = co_await race(every(10ms, tick), send());
  report(*id, ticks);
}

Task<> tick_for_ever(int& ticks) {
  co_await every(10ms, [&] { ++ticks; });
}

// Way 2: the whole program on fibers. What it calls blocks, and nothing here is a task but the
// ticker.
int send_sms_program(Account& account, const Message& message, int& ticks) {
  try {
    const example::StandIn stand_in(account.base_url);
    background().start(tick_for_ever, std::ref(ticks));  // until the program ends
    const std::string id = send_sms_blocking(account, message);
    report(id, ticks);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "send_sms: {}\n", error.what());
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  Account account{"", "AC0123456789", "secret"};
  Message message{"+15017122661", "+15558675310", "Hello from a clear way"};
  std::vector<std::string> way;
  example::CommandLine command_line("send_sms", "Sends a text message through a web service.");
  command_line
      .option("--base-url", account.base_url, "where the service is (default: a bundled server)")
      .option("--sid", account.sid, "the account")
      .option("--token", account.token, "its password")
      .option("--from", message.from, "the sender's number")
      .option("--to", message.to, "the receiver's number")
      .option("--body", message.body, "the text")
      .choices("--way", way, {"native", "program", "thread", "fiber"},
               "how to send it (default: native)");
  if (const auto status = command_line.parse(argc, argv)) return *status;
  if (!way.empty() && way.front() == "program") {
    int ticks = 0;  // outlives the background
    return fiber::run_main([&] { return send_sms_program(account, message, ticks); });
  }
  return example::run(
      "send_sms", [&] { return amain(account, message, way.empty() ? "native" : way.front()); });
}
