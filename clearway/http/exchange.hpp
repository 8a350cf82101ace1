#pragma once

#include <clearway/base/unique_function.hpp>
#include <clearway/http/body.hpp>
#include <clearway/http/client_error.hpp>
#include <clearway/http/client_options.hpp>
#include <clearway/http/coding.hpp>
#include <clearway/http/pool.hpp>
#include <clearway/http/url.hpp>
#include <clearway/task/task.hpp>
#include <clearway/tls/context.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace clearway::http::detail {

/// What the requests and responses of a session share; it lives as long as any of them.
struct SessionCore {
  explicit SessionCore(const SessionOptions& given) : options(given), pool(given) {
    if (given.tls != nullptr) tls = *given.tls;
    options.tls = nullptr;
  }

  SessionOptions options;
  std::optional<TlsClientContext> tls;
  std::optional<Url> base;
  Headers headers;
  Pool pool;
};

/// Gives the pieces of a request's body; nullopt at its end.
using BodySource = UniqueFunction<Task<std::optional<std::string>>()>;

/// What a request is made of, before it is sent.
struct RequestParts {
  std::string method;
  std::string url;
  std::string query;  ///< encoded, to be added to the URL's
  Headers headers;
  std::string body;
  bool has_body = false;
  BodySource source;
  std::optional<std::uint64_t> source_length;
  std::optional<Duration> total;
  bool follow_redirects = true;
};

/// One request and its response, from the builder to the last byte of the body. One object, so that
/// a request costs one allocation besides its frames.
class Exchange {
 public:
  Exchange(std::shared_ptr<SessionCore> core, std::string_view method, std::string_view url);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  /// A body that lies in the buffer to its end is skipped; otherwise the connection is closed.
  ~Exchange();

  /// Sends and reads the head of the answer, redirects included.
  Task<> send();
  /// The next piece of the body; nullopt at its end.
  Task<std::optional<std::string>> read();
  /// The rest of the body; TooLarge when it is more than `most` bytes.
  Task<std::string> read_all(std::uint64_t most);
  /// The beginning of the body, for an error's text. Throws no http error.
  Task<std::string> read_excerpt();

  [[noreturn]] void fail(const clearway::Error& error) const;

  std::shared_ptr<SessionCore> core;
  RequestParts parts;
  std::optional<Url> url;
  ResponseHead head;
  BodyDecoder decoder;

 private:
  enum class Progress { some, starved, end };

  void prepare();
  void add_defaults();
  void write_head(std::string& out) const;

  Task<> exchange_once();
  Task<> take_connection(bool fresh);
  Task<> open_connection();
  Task<Stream> secure(Stream stream, Instant until);
  Task<> transmit();
  Task<> transmit_source();
  Task<> transmit_unsent();
  Task<> transmit_piece();
  Task<> receive_head();
  bool accept_head();
  void begin_body();
  bool may_retry() const;
  void note_sent() noexcept;

  bool redirected() const;
  Task<> follow_redirect();

  Progress advance(std::string& out);
  BodyState decode(std::string_view& data);
  void finish_body() noexcept;
  Task<> fill_body();

  Stream& stream() const noexcept { return lease_.connection().stream; }
  Instant limit(Duration length) const;
  [[noreturn]] void timed_out(std::string_view what, Duration length) const;

  Instant started_{};
  Instant deadline_ = never;
  Phase phase_ = Phase::Prepare;
  Sent sent_ = Sent::Nothing;
  Method method_ = Method::Get;
  bool keep_ = false;         // the connection, after the body
  bool finished_ = false;     // nothing more of the body will come
  bool listening_ = false;    // for an answer, while the body is sent
  bool answered_ = false;     // before the body was sent: the rest stays here
  bool source_used_ = false;  // the body's pieces cannot be asked for again
  int redirects_ = 0;
  int interim_ = 0;
  std::uint64_t written_before_ = 0;
  std::uint64_t read_before_ = 0;
  std::vector<std::string> visited_;
  std::string_view unsent_;
  std::string_view raw_;  // coded bytes that the decompressor has not taken; in the stream's buffer
  std::optional<Decompressor> decompressor_;
  Lease lease_;
};

}  // namespace clearway::http::detail
