#pragma once

#include <memory>

#include <clearway/tls/options.hpp>

namespace clearway {

namespace detail {
class TlsClientCore;
class TlsServerCore;
}  // namespace detail

// What many connections of a client share: options, roots that have been read, and sessions, with
// which the next connection to the same server is cheaper. A handle: copies share one. May be used
// by several loops.
class TlsClientContext {
 public:
  // Reads the files, which blocks for a moment. Throws TlsError with reason configuration, which
  // names the file and what is wrong with it.
  TlsClientContext();
  explicit TlsClientContext(const TlsClientOptions& options);

  // The one with the default options, made with the first use in this process.
  static const TlsClientContext& standard();

  [[nodiscard]] const TlsClientOptions& options() const noexcept;
  [[nodiscard]] const std::shared_ptr<detail::TlsClientCore>& core() const noexcept {
    return core_;
  }

 private:
  std::shared_ptr<detail::TlsClientCore> core_;
};

// What the connections of a server share: its certificate, and whom it asks for one. Clients resume
// at all contexts of the same certificate; where they are asked, at this one. A handle, as above.
class TlsServerContext {
 public:
  // As above.
  explicit TlsServerContext(const TlsServerOptions& options);

  [[nodiscard]] const TlsServerOptions& options() const noexcept;
  [[nodiscard]] const std::shared_ptr<detail::TlsServerCore>& core() const noexcept {
    return core_;
  }

 private:
  std::shared_ptr<detail::TlsServerCore> core_;
};

}  // namespace clearway
