#include "send_sms_blocking.hpp"

#include <memory>
#include <stdexcept>

#include <curl/curl.h>
#include <nlohmann/json.hpp>

namespace {

using Curl = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

std::size_t append(char* data, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

std::string field(const Curl& curl, const char* name, const std::string& value) {
  char* escaped = curl_easy_escape(curl.get(), value.data(), static_cast<int>(value.size()));
  std::string result = std::string(name) + "=" + escaped;
  curl_free(escaped);
  return result;
}

}  // namespace

std::string send_sms_blocking(const Account& account, const Message& message) {
  const Curl curl(curl_easy_init(), curl_easy_cleanup);
  const std::string url =
      account.base_url + "/2010-04-01/Accounts/" + account.sid + "/Messages.json";
  const std::string form = field(curl, "From", message.from) + "&" + field(curl, "To", message.to) +
                           "&" + field(curl, "Body", message.body);
  std::string answer;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_USERNAME, account.sid.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PASSWORD, account.token.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, form.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) {
    throw std::runtime_error("libcurl could not POST " + url + ": " + curl_easy_strerror(code));
  }
  return nlohmann::json::parse(answer).at("sid");
}
