// curl http|https PORT COUNT: GETs whose answers take 200 ms, from a server in a thread of this
// program.

#include <fstream>
#include <memory>
#include <thread>

#include <curl/curl.h>
#include <unistd.h>
#include <clearway/http.hpp>
#include <tests/support/certificates.hpp>

#include "harness.hpp"

namespace {

using namespace std::chrono_literals;

std::size_t append(char* data, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

void get(const std::string& url, const std::string& authority) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 curl_easy_cleanup);
  std::string body;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  if (!authority.empty()) curl_easy_setopt(curl.get(), CURLOPT_CAINFO, authority.c_str());
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) libraries::fail(curl_easy_strerror(code));
  if (body != "slow") libraries::fail("wrong body: " + body);
}

clearway::Task<> serve_slowly(std::string endpoint) {
  clearway::http::App app;
  app.get("/slow", [](clearway::http::Request&) -> clearway::Task<clearway::http::Response> {
    co_await clearway::sleep(200ms);
    co_return "slow";
  });
  co_await serve(app, endpoint);
}

void wait_for(const std::string& url, const std::string& authority) {
  for (int attempt = 0;; ++attempt) {
    try {
      get(url, authority);
      return;
    } catch (const std::exception&) {
      if (attempt == 100) throw;
      ::usleep(20'000);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 1;
  const bool secure = std::string(argv[1]) == "https";
  const std::string port = argv[2];
  std::string endpoint = "tcp:" + port + ":interface=127.0.0.1";
  std::string certificate_file;
  std::string key_file;
  if (secure) {
    const clearway::tests::Certificate certificate((clearway::tests::CertificateRequest()));
    certificate_file = "/tmp/clearway-libraries-" + port + ".pem";
    key_file = certificate_file + ".key";
    std::ofstream(certificate_file) << certificate.pem();
    std::ofstream(key_file) << certificate.key_pem();
    endpoint = "ssl:" + port + ":interface=127.0.0.1:privateKey=" + key_file +
               ":certKey=" + certificate_file;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  std::thread([&] { clearway::run(serve_slowly(endpoint)); }).detach();
  const std::string url = (secure ? "https://localhost:" : "http://127.0.0.1:") + port + "/slow";
  wait_for(url, certificate_file);
  const int status =
      libraries::run_calls(std::atoi(argv[3]), [&](int) { get(url, certificate_file); });
  if (secure) {
    ::unlink(certificate_file.c_str());
    ::unlink(key_file.c_str());
  }
  std::fflush(stdout);
  std::_Exit(status);  // the server runs on
}
