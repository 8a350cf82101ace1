#pragma once

#include <string>

struct Account {
  std::string base_url;  // "https://api.example.com"
  std::string sid;
  std::string token;
};

struct Message {
  std::string from;
  std::string to;
  std::string body;
};

// Sends one message with libcurl's easy interface and gives its id: ordinary blocking code that
// knows nothing of Clearway. Throws std::runtime_error when the service refuses.
std::string send_sms_blocking(const Account& account, const Message& message);
