// GETs with libcurl's easy interface:
//   curl URL AUTHORITY COUNT [threads|multi]   AUTHORITY: a file with certificates, or "-"; "multi"
//                                              is libcurl's own way to make many on one thread
//   curl serve http|https PORT FOLDER          a server whose /after/N answers after N ms; puts its
//                                              certificate into FOLDER/certificate.pem

#include <fstream>
#include <memory>

#include <curl/curl.h>
#include <unistd.h>
#include <clearway/http.hpp>
#include <tests/support/certificates.hpp>

#include "harness.hpp"

namespace {

using namespace std::chrono_literals;

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

std::size_t append(char* data, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

struct Request {
  std::string url;
  std::string authority;
};

Easy prepare(const Request& request, std::string& body) {
  Easy easy(curl_easy_init(), curl_easy_cleanup);
  curl_easy_setopt(easy.get(), CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_FAILONERROR, 1L);
  if (request.authority != "-") {
    curl_easy_setopt(easy.get(), CURLOPT_CAINFO, request.authority.c_str());
  }
  return easy;
}

void get(const Request& request) {
  std::string body;
  const Easy easy = prepare(request, body);
  const CURLcode code = curl_easy_perform(easy.get());
  if (code != CURLE_OK) libraries::fail(curl_easy_strerror(code));
  if (body != "slow") libraries::fail("wrong body: " + body);
}

// The same requests, each on a handle and a connection of its own, by libcurl alone.
void get_all(const Request& request, int count, libraries::Figures& figures) {
  const std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi(curl_multi_init(),
                                                                    curl_multi_cleanup);
  std::vector<std::string> bodies(static_cast<std::size_t>(count));
  std::vector<Easy> handles;
  const libraries::Duration start = libraries::present();
  for (std::string& body : bodies) {
    handles.push_back(prepare(request, body));
    curl_easy_setopt(handles.back().get(), CURLOPT_FORBID_REUSE, 1L);
    curl_multi_add_handle(multi.get(), handles.back().get());
  }
  libraries::Ticker ticker(figures);
  for (int running = 1; running > 0;) {
    curl_multi_perform(multi.get(), &running);
    const libraries::Duration left = ticker.left();
    if (left <= 0ms) {
      ticker.tick();
    } else {
      curl_multi_poll(multi.get(), nullptr, 0, static_cast<int>(left / 1ms) + 1, nullptr);
    }
    int others = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.get(), &others)) {
      figures.failures += message->data.result != CURLE_OK;
      figures.slowest = libraries::present() - start;
      curl_multi_remove_handle(multi.get(), message->easy_handle);
    }
  }
  for (const std::string& body : bodies) figures.failures += body != "slow";
}

clearway::Task<> answer_slowly(std::string endpoint) {
  clearway::http::App app;
  app.get(
      "/after/{milliseconds:int}",
      [](clearway::http::Request&, int milliseconds) -> clearway::Task<clearway::http::Response> {
        co_await clearway::sleep(std::chrono::milliseconds(milliseconds));
        co_return "slow";
      });
  co_await serve(app, endpoint);
}

int serve_until_terminated(const std::string& scheme, const std::string& port,
                           const std::string& folder) {
  std::string endpoint = "tcp:" + port + ":interface=127.0.0.1";
  if (scheme == "https") {
    const clearway::tests::Certificate certificate((clearway::tests::CertificateRequest()));
    std::ofstream(folder + "/key.pem") << certificate.key_pem();
    std::ofstream(folder + "/certificate.pem") << certificate.pem();
    endpoint = "ssl:" + port + ":interface=127.0.0.1:privateKey=" + folder +
               "/key.pem:certKey=" + folder + "/certificate.pem";
  }
  return clearway::run_main(answer_slowly(endpoint));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && std::string(argv[1]) == "serve") {
    return serve_until_terminated(argv[2], argv[3], argv[4]);
  }
  if (argc < 4) return 1;
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const Request request{argv[1], argv[2]};
  if (argc > 4 && std::string(argv[4]) == "multi") {
    const int count = std::atoi(argv[3]);
    const auto all = [&](libraries::Figures& figures) { get_all(request, count, figures); };
    return libraries::report(count, libraries::measure(all), "multi");
  }
  return libraries::run_calls(argv + 3, [&](int) { get(request); });
}
