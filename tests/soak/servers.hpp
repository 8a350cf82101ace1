#pragma once

// What the soak talks to: servers of every kind, on the loop that it measures.

#include <memory>
#include <string>

#include <clearway/http.hpp>
#include <clearway/tls.hpp>

namespace clearway::soak {

class Servers {
 public:
  // Begins to listen, with files in `directory`.
  explicit Servers(std::string directory);

  // Serves until it is cancelled.
  Task<> run();

  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
  [[nodiscard]] const Address& echo() const noexcept { return echo_.address(); }
  [[nodiscard]] const Address& secure() const noexcept { return secure_.address(); }
  [[nodiscard]] Address datagrams() const { return datagrams_.local(); }
  [[nodiscard]] std::string web() const;
  // Asks our own server of names.
  [[nodiscard]] ResolveOptions names() const;
  [[nodiscard]] const TlsClientContext& trust() const noexcept { return trust_; }

  // Of the file "web.bin", and of the answers to /file.
  static constexpr std::size_t file_size = 300'000;

 private:
  void add_routes();
  Task<> serve_echo();
  Task<> serve_secure();
  Task<> serve_datagrams();
  Task<> serve_names();

  std::string directory_;
  Listener echo_;
  Listener secure_;
  UdpSocket datagrams_;
  UdpSocket names_;
  TlsServerContext identity_;
  TlsClientContext trust_;
  http::App app_;
  std::unique_ptr<http::Server> web_;
};

// Bytes that tell where in a file or stream they are.
std::string pattern(std::size_t size);

}  // namespace clearway::soak
