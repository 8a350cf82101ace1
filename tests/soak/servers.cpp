#include <tests/soak/servers.hpp>

#include <array>

#include <fmt/format.h>
#include <clearway/task/race.hpp>
#include <tests/support/certificates.hpp>

namespace clearway::soak {
namespace {

using namespace std::chrono_literals;

TlsServerContext server_context() {
  TlsServerOptions options;
  options.identity.certificate_pem = tests::test_certificate().pem();
  options.identity.key_pem = tests::test_certificate().key_pem();
  return TlsServerContext(options);
}

TlsClientContext client_context() {
  TlsClientOptions options;
  options.roots.pem = tests::test_root().pem();
  return TlsClientContext(options);
}

Task<> echo_bytes(Stream& stream) {
  std::array<char, 16 * 1024> piece;
  for (;;) {
    const std::size_t count = co_await stream.read_some(piece);
    if (count == 0) break;
    co_await stream.write_view(std::string_view(piece.data(), count));
  }
  co_await stream.shutdown_write();
}

// Clients that are cancelled leave in the middle: that is no error of ours.
Task<> echo_one(Stream stream) {
  try {
    co_await echo_bytes(stream);
  } catch (const NetError&) {
  }
}

Task<> echo_secured(Stream raw, TlsServerContext identity) {
  try {
    Stream stream = co_await start_tls_server(std::move(raw), identity);
    co_await echo_bytes(stream);
  } catch (const NetError&) {
  }
}

// The answer to a question of DNS: 127.0.0.1 for a second, and no IPv6 address (RFC 1035).
std::string answer_name(const std::string& question) {
  if (question.size() < 17) return {};
  const std::size_t name_end = question.find('\0', 12);
  if (name_end == std::string::npos || name_end + 5 > question.size()) return {};
  const bool asks_v4 = question[name_end + 2] == 1;
  std::string answer = question.substr(0, 2);
  answer += {'\x81', '\x80', 0, 1, 0, static_cast<char>(asks_v4 ? 1 : 0), 0, 0, 0, 0};
  answer += question.substr(12, name_end + 5 - 12);
  if (asks_v4) answer += {'\xC0', 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1};
  return answer;
}

}  // namespace

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t index = 0; index < size; ++index) {
    text[index] = static_cast<char>('a' + (index / 7 + index / 1000) % 26);
  }
  return text;
}

Servers::Servers(std::string directory)
    : directory_(std::move(directory)),
      echo_(listen("127.0.0.1", 0)),
      secure_(listen("127.0.0.1", 0)),
      datagrams_(bind_udp("127.0.0.1", 0)),
      names_(bind_udp("127.0.0.1", 0)),
      identity_(server_context()),
      trust_(client_context()),
      web_(nullptr) {
  add_routes();
  web_ = std::make_unique<http::Server>(app_, listen("127.0.0.1", 0));
}

std::string Servers::web() const { return "http://" + web_->address().to_string(); }

ResolveOptions Servers::names() const {
  return {.timeout = 20s, .server_port = names_.local().port()};
}

void Servers::add_routes() {
  app_.get("/small", [](http::Request&) -> Task<http::Response> { co_return "Hello, world!"; });
  app_.get("/slow", [](http::Request&) -> Task<http::Response> {
    co_await sleep(5ms);
    co_return "done";
  });
  app_.post("/echo", [](http::Request& request) -> Task<http::Response> {
    co_return co_await request.body();
  });
  app_.get("/file", [this](http::Request& request) -> Task<http::Response> {
    co_return co_await http::send_file(request, directory_ + "/web.bin");
  });
  app_.get("/stream", [](http::Request&) -> Task<http::Response> {
    co_return http::Response::stream([](http::BodyWriter& out) -> Task<> {
      for (int piece = 0; piece < 10; ++piece) {
        co_await out.write(std::string(1000, 'x'));
        if (piece == 5) co_await sleep(1ms);
      }
    });
  });
}

Task<> Servers::serve_echo() {
  co_await task_group([&](TaskGroup& group) -> Task<> {
    for (;;) {
      Stream stream = co_await echo_.accept();
      group.start(echo_one, std::move(stream));
    }
  });
}

Task<> Servers::serve_secure() {
  co_await task_group([&](TaskGroup& group) -> Task<> {
    for (;;) {
      Stream stream = co_await secure_.accept();
      group.start(echo_secured, std::move(stream), identity_);
    }
  });
}

Task<> Servers::serve_datagrams() {
  for (;;) {
    const Datagram datagram = co_await datagrams_.receive_from();
    co_await datagrams_.send_to(datagram.data, datagram.from);
  }
}

Task<> Servers::serve_names() {
  for (;;) {
    const Datagram question = co_await names_.receive_from();
    const std::string answer = answer_name(question.data);
    if (!answer.empty()) co_await names_.send_view_to(answer, question.from);
  }
}

Task<> Servers::run() {
  co_await gather(serve_echo(), serve_secure(), serve_datagrams(), serve_names(), web_->run());
}

}  // namespace clearway::soak
