// The server that the examples talk to when they are not pointed at another one: creatures that
// take their time, jobs, and a service for text messages.

#include <algorithm>
#include <csignal>
#include <optional>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <clearway/clearway.hpp>
#include <clearway/http.hpp>
#include <clearway/json.hpp>
#include <clearway/tls.hpp>

#include "../support/program.hpp"

using namespace clearway;
using namespace std::chrono_literals;

namespace {

// 50 to 350 ms, depending on the number only.
int delay_ms(int number) { return 50 + static_cast<int>((number * 7919LL) % 301); }

Task<http::Response> creature(http::Request&, int number) {
  const int delay = delay_ms(number);
  co_await sleep(std::chrono::milliseconds(delay));
  co_return http::Response::json({{"id", number},
                                  {"name", fmt::format("creature-{}", number)},
                                  {"delay_ms", delay},
                                  {"types", {"swift", "patient"}}});
}

Task<http::Response> jobs(http::Request& request) {
  const std::string language(request.query("q").value_or("any language"));
  co_await sleep(100ms);
  nlohmann::json found = nlohmann::json::array();
  for (const char* company : {"Lantern", "Bridge & Sons", "Clear Roads"}) {
    found.push_back({{"title", language + " engineer"}, {"company", company}});
  }
  co_return http::Response::json(found);
}

Task<http::Response> send_message(http::Request& request, std::string account) {
  auto form = co_await request.form();
  co_await sleep(200ms);
  const auto to = form.get("To");
  if (!to || !form.get("From") || !form.get("Body")) {
    co_return http::Response::json({{"message", "From, To and Body are needed"}}).status(400);
  }
  co_return http::Response::json(
      {{"sid", fmt::format("SM{:08x}", std::hash<std::string_view>()(*to) & 0xffffffff)},
       {"account_sid", account},
       {"status", "queued"}});
}

Task<> amain(std::string interface, int port, std::string certificate, std::string key) {
  http::App app;
  app.get("/", [](http::Request&) -> Task<http::Response> {
    co_return "creatures, jobs and messages\n";
  });
  app.get("/api/v2/pokemon/{number:int}", creature);
  app.get("/jobs", jobs);
  app.post("/2010-04-01/Accounts/{account}/Messages.json", send_message);
  auto listener = listen(interface, static_cast<std::uint16_t>(port));
  http::ServerOptions options;
  std::optional<TlsServerContext> tls;
  if (!certificate.empty()) {
    TlsServerOptions identity;
    identity.identity = TlsIdentity(certificate, key);
    tls.emplace(identity);
    options.tls = &*tls;
  }
  fmt::print("{}://{}\n", tls ? "https" : "http", listener.address().to_string());
  std::fflush(stdout);
  co_await http::serve(app, std::move(listener), options);
}

}  // namespace

int main(int argc, char** argv) {
  std::string interface = "127.0.0.1";
  std::string certificate;
  std::string key;
  int port = 0;
  std::vector<std::string> flags(argv + 1, argv + argc);
  // Ended with the example that started it, however that ends.
  if (const auto flag = std::find(flags.begin(), flags.end(), "--with-parent");
      flag != flags.end()) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    argc = 1;
  }
  example::CommandLine command_line("stand_in", "The server that the examples talk to.");
  command_line.option("--interface", interface, "the address to listen on")
      .option("--port", port, 0, 65'535, "the port; 0 picks a free one, which is printed")
      .option("--certificate", certificate, "a file with its certificate: speaks https")
      .option("--key", key, "a file with the certificate's private key");
  if (const auto status = command_line.parse(argc, argv)) return *status;
  return example::run("stand_in", [&] { return amain(interface, port, certificate, key); });
}
