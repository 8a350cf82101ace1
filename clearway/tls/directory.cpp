#include <clearway/tls/directory.hpp>

#include <algorithm>
#include <filesystem>
#include <vector>

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <clearway/base/log.hpp>
#include <clearway/tls/certificate.hpp>
#include <clearway/tls/core.hpp>
#include <clearway/tls/error.hpp>

namespace clearway::detail {

namespace {

Instant steady_now() {
  return Instant(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

[[noreturn]] void refuse(const std::string& message) {
  throw TlsError(NetPhase::handshake, TlsReason::configuration, message);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return out;
}

std::vector<std::filesystem::path> files_of(const std::string& path) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  const std::filesystem::directory_iterator end;
  for (std::filesystem::directory_iterator file(path, error); !error && file != end;
       file.increment(error)) {
    if (file->path().extension() == ".pem") files.push_back(file->path());
  }
  if (error) refuse(fmt::format("cannot read the folder {}: {}", path, error.message()));
  if (files.empty()) {
    refuse(fmt::format(
        "no file in {} ends in .pem: each holds a certificate chain and its private key", path));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TlsDirectory::TlsDirectory(std::string path, Duration look_every)
    : path_(std::move(path)),
      look_every_(look_every),
      reading_(read()),
      next_look_(steady_now() + look_every) {}

std::shared_ptr<const TlsDirectory::Reading> TlsDirectory::read() const {
  auto reading = std::make_shared<Reading>();
  // Before the files: a change while they are read is seen at the next look.
  reading->state = state();
  for (const std::filesystem::path& file : files_of(path_)) {
    const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), FreeTls());
    if (context == nullptr) throw std::bad_alloc();
    use_identity(context.get(), TlsIdentity(file.string(), ""));
    if (reading->first == nullptr) reading->first = context;
    for (const std::string& name : names_of(SSL_CTX_get0_certificate(context.get()))) {
      reading->names.emplace(lower(name), context);
    }
  }
  return reading;
}

std::string TlsDirectory::state() const {
  std::string text;
  std::error_code error;
  for (const std::filesystem::path& file : files_of(path_)) {
    const auto changed = std::filesystem::last_write_time(file, error).time_since_epoch().count();
    text +=
        fmt::format("{} {} {}\n", file.string(), changed, std::filesystem::file_size(file, error));
  }
  return text;
}

// Half of a change may be there: what cannot be used is tried again when it has changed once more.
std::shared_ptr<const TlsDirectory::Reading> TlsDirectory::current() {
  const std::lock_guard lock(mutex_);
  const Instant now = steady_now();
  if (now < next_look_) return reading_;
  next_look_ = now + look_every_;
  std::string seen;
  try {
    seen = state();
    if (seen != reading_->state && seen != refused_) reading_ = read();
  } catch (const TlsError& error) {
    if (seen != refused_ || seen.empty()) {
      log::write(log::Level::error, "tls",
                 fmt::format("the certificates that were read before remain: {}", error.what()));
    }
    refused_ = seen;
  }
  return reading_;
}

void TlsDirectory::present(SSL* connection, std::string_view name) {
  const std::shared_ptr<const Reading> reading = current();
  const std::string wanted = lower(name);
  auto found = reading->names.find(wanted);
  if (found == reading->names.end()) {
    const std::size_t dot = wanted.find('.');
    if (dot != std::string::npos) found = reading->names.find("*" + wanted.substr(dot));
  }
  SSL_CTX* const chosen =
      found != reading->names.end() ? found->second.get() : reading->first.get();
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(chosen, &chain);
  SSL_use_cert_and_key(connection, SSL_CTX_get0_certificate(chosen),
                       SSL_CTX_get0_privatekey(chosen), chain, 1);
}

}  // namespace clearway::detail
