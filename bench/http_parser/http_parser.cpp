// Heads parsed per second, warm: what a keep-alive connection costs per request.

#include <benchmark/benchmark.h>

#include <clearway/http/body.hpp>
#include <clearway/http/parser.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace {

namespace http = clearway::http;

constexpr std::string_view kPlain = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";

constexpr std::string_view kBrowser =
    "GET /cookies/are/nice?and=queries HTTP/1.1\r\n"
    "Host: www.example.com:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Cache-Control: max-age=0\r\n"
    "\r\n";

constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Server: example\r\n"
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 1234\r\n"
    "\r\n";

void parse_requests(benchmark::State& state, std::string_view bytes) {
  http::RequestParser parser;
  http::RequestHead head;
  for (auto _ : state) {
    if (parser.feed(bytes, head).state != http::ParseState::Complete) {
      state.SkipWithError("refused");
      break;
    }
    benchmark::DoNotOptimize(head.path());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

void plain_request(benchmark::State& state) { parse_requests(state, kPlain); }
void browser_request(benchmark::State& state) { parse_requests(state, kBrowser); }
BENCHMARK(plain_request);
BENCHMARK(browser_request);

void response(benchmark::State& state) {
  http::ResponseParser parser;
  http::ResponseHead head;
  for (auto _ : state) {
    if (parser.feed(kResponse, head).state != http::ParseState::Complete) {
      state.SkipWithError("refused");
      break;
    }
    benchmark::DoNotOptimize(head.status());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(response);

// Every byte in a call of its own: the worst that a peer can do.
void byte_by_byte(benchmark::State& state) {
  http::RequestParser parser;
  http::RequestHead head;
  for (auto _ : state) {
    for (std::size_t size = 1; size <= kBrowser.size(); ++size) {
      benchmark::DoNotOptimize(parser.feed(kBrowser.substr(0, size), head));
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(byte_by_byte);

void chunked_body(benchmark::State& state) {
  std::string body;
  const auto size = static_cast<std::size_t>(state.range(0));
  for (int i = 0; i < 100; ++i) body += "10\r\n0123456789abcdef\r\n";
  if (size == 4096) body = "1000\r\n" + std::string(4096, 'x') + "\r\n";
  body += "0\r\n\r\n";
  for (auto _ : state) {
    http::BodyDecoder decoder(http::BodyKind::Chunked, 0);
    std::string_view left = body;
    while (!decoder.done()) left.remove_prefix(decoder.decode(left).consumed);
    benchmark::DoNotOptimize(decoder.received());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
}
BENCHMARK(chunked_body)->Arg(16)->Arg(4096);

}  // namespace
