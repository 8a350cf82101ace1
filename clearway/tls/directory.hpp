#pragma once

// A server's certificates for many names, from the files of a folder, read again when they change.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <clearway/loop/time.hpp>
#include <clearway/tls/openssl.hpp>

namespace clearway::detail {

class TlsDirectory {
 public:
  // A server in use looks every `look_every` whether the folder has changed. Throws TlsError with
  // reason configuration, for a folder that cannot be read, has no .pem file,
  // or one that cannot be used.
  explicit TlsDirectory(std::string path, Duration look_every = std::chrono::seconds(1));

  // Gives a connection the certificate for `name`, which may be empty. From any thread.
  void present(ssl_st* connection, std::string_view name);

 private:
  // One reading of the folder. Names as certificates have them, with "*." for wildcards.
  struct Reading {
    std::map<std::string, std::shared_ptr<ssl_ctx_st>, std::less<>> names;
    std::shared_ptr<ssl_ctx_st> first;
    std::string state;  // files, sizes and times: differs when something has changed
  };

  [[nodiscard]] std::shared_ptr<const Reading> read() const;
  [[nodiscard]] std::string state() const;
  std::shared_ptr<const Reading> current();

  const std::string path_;
  const Duration look_every_;
  std::mutex mutex_;
  std::shared_ptr<const Reading> reading_;
  std::string refused_;  // the state that could not be used
  Instant next_look_{};
};

}  // namespace clearway::detail
