// libcurl's multi interface, curl_multi_poll: bench_peers_curl_client PORT COUNT CONCURRENCY, as
// bench/floor/client.cpp. Handles and connections are reused.

#include <curl/curl.h>

#include <algorithm>
#include <bench/support/clock.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

struct Run {
  std::string server;
  long count;
  long asked = 0;
  long answered = 0;
};

void ask(Run& run, CURLM* multi, CURL* easy) {
  const std::string url = run.server + std::to_string(run.asked++);
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_multi_add_handle(multi, easy);
}

// True if one more request was started on the handle that has finished.
bool finish(Run& run, CURLM* multi, const CURLMsg& message) {
  CURL* easy = message.easy_handle;
  if (message.data.result != CURLE_OK) {
    std::fprintf(stderr, "libcurl: %s\n", curl_easy_strerror(message.data.result));
    std::exit(1);
  }
  ++run.answered;
  curl_multi_remove_handle(multi, easy);
  if (run.asked < run.count) return ask(run, multi, easy), true;
  curl_easy_cleanup(easy);
  return false;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return std::fputs("usage: PORT COUNT CONCURRENCY\n", stderr), 2;
  Run run{.server = std::string("http://127.0.0.1:") + arguments[1] + "/",
          .count = std::atol(arguments[2])};
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::int64_t began = bench::wall_nanoseconds();
  const std::int64_t cpu_began = bench::cpu_nanoseconds();
  CURLM* multi = curl_multi_init();
  long running = std::min(run.count, std::atol(arguments[3]));
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, running);
  for (long i = 0; i < running; ++i) {
    CURL* easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    ask(run, multi, easy);
  }
  while (running > 0) {
    int active = 0;
    curl_multi_perform(multi, &active);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (!finish(run, multi, *message)) --running;
    }
    if (running > 0) curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
  }
  std::printf("{\"requests\": %ld, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n", run.answered,
              static_cast<double>(bench::wall_nanoseconds() - began) / 1e9,
              static_cast<double>(bench::cpu_nanoseconds() - cpu_began) / 1e9);
  curl_multi_cleanup(multi);
}
