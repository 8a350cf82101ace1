#pragma once

#include <clearway/http/error.hpp>
#include <clearway/http/limits.hpp>
#include <clearway/http/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clearway::http {

/// Why a parser refused its input. `reason` is a text with static lifetime.
struct Failure {
  int status = 0;           ///< to answer with: 400, 413, 414, 417, 431, 501, 505
  std::string_view reason;  ///< "header line ends with a bare LF"
  std::size_t line = 0;     ///< of the head, from 1; 0 in a body
  std::size_t offset = 0;   ///< of the offending byte, from the first byte fed

  /// For throwing; "malformed request: <reason> (line 3, byte 57)".
  ProtocolError to_error(std::string_view what) const;
};

/// How far a parser has come.
enum class ParseState : std::uint8_t {
  NeedMore,  ///< feed again with the same bytes and more behind them
  Complete,  ///< the head is filled; `consumed` bytes belong to it
  Failed     ///< see `failure()`; the connection cannot be used any further
};

/// The outcome of feeding a parser once.
struct ParseResult {
  ParseState state = ParseState::NeedMore;
  std::size_t consumed = 0;  ///< only with `Complete`
};

namespace detail {

/// The fields that decide about framing and routing; in a trailer all are suspicious.
enum class Field : std::uint8_t {
  Other,
  Host,
  Expect,
  Upgrade,
  Connection,
  ContentLength,
  TransferEncoding,
  Trailer
};

/// Reads header fields up to the empty line. It remembers by offset what it has checked: the bytes
/// may lie elsewhere at the next call, and no byte is looked at twice however they are cut.
class FieldParser {
 public:
  enum class Role : std::uint8_t { Request, Response, Trailer };

  FieldParser(Role role, const Limits& limits);

  const Failure& failure() const noexcept { return failure_; }

  /// In a trailer, fields of framing, routing and authentication are refused. `headers` may be read
  /// after `Complete`.
  ParseState scan_fields(std::string_view bytes, Headers& headers, Facts& facts);
  std::size_t position() const noexcept { return line_at_; }

 protected:
  ParseState fail(int status, std::string_view reason, std::size_t offset) noexcept;
  void restart() noexcept;
  /// The fields begin at `at`; offsets into their text count from `text_at`.
  void begin_fields(std::size_t at, std::size_t text_at) noexcept;
  /// Where the current line must have ended.
  std::size_t line_cap(std::size_t line_limit) const noexcept {
    return std::min(line_at_ + line_limit + 1, limits_.head);
  }
  /// Reached the end of what may be read: waits, or refuses a line that is too long.
  ParseState out_of_bytes(std::size_t size, std::size_t cap, int status,
                          std::string_view reason) noexcept;

  Limits limits_;
  Failure failure_;
  std::size_t line_at_ = 0;   // where the current line begins
  std::size_t scan_at_ = 0;   // everything before has been checked
  std::size_t colon_at_ = 0;  // of the current line, 0 while still in its name
  std::size_t block_at_ = 0;  // where the first field begins
  std::size_t text_at_ = 0;   // where the text begins that is kept
  std::uint32_t line_number_ = 1;
  Role role_;

 private:
  /// Offsets of a whole header line: where it begins, its colon, its CR.
  struct Line {
    std::size_t begin;
    std::size_t colon;
    std::size_t end;
  };

  ParseState end_of_fields(std::string_view bytes, Headers& headers);
  ParseState name_failure(std::string_view bytes, std::size_t at) noexcept;
  ParseState value_failure(char byte, std::size_t at) noexcept;
  bool accept_field(const char* base, Line line, Headers& headers, Facts& facts);
  bool note(Field field, const char* base, std::size_t at, std::size_t value_end, std::size_t index,
            Facts& facts) noexcept;
  bool note_trailer(std::string_view line) noexcept;
  bool note_host(std::string_view value, const char* base, std::size_t at, std::size_t index,
                 Facts& facts) noexcept;
  bool note_expect(std::string_view value, std::size_t at, Facts& facts) noexcept;
  bool note_content_length(std::string_view value, std::size_t at, Facts& facts) noexcept;
  bool note_transfer_encoding(std::string_view value, std::size_t at, Facts& facts) noexcept;
};

}  // namespace detail

/// A strict parser of request heads (RFC 9112), for servers. Nothing is guessed: what two parsers
/// might read differently is refused. Give it the unconsumed bytes, again from the beginning of the
/// head each time, until it is complete; then the body begins at `consumed`.
///
///     switch (parser.feed(buffer, head).state) { ... }
///
/// It takes no memory itself, and reads each byte once.
class RequestParser : private detail::FieldParser {
 public:
  explicit RequestParser(const Limits& limits = Limits::server())
      : FieldParser(Role::Request, limits) {}

  /// `head` must be the same object until the state is no longer `NeedMore`; it may be used (and
  /// reused for the next request) after `Complete`. The next call then begins a new head.
  ParseResult feed(std::string_view unconsumed, RequestHead& head);
  /// After `Failed`.
  const Failure& failure() const noexcept { return failure_; }
  /// Some bytes of a head have been seen: the peer is in the middle of a request.
  bool started() const noexcept { return stage_ != Stage::Start; }
  /// Forgets everything, for a new connection.
  void reset() noexcept;

 private:
  enum class Stage : std::uint8_t { Start, Method, Target, Version, Fields, Failed };

  ParseState scan(std::string_view bytes, RequestHead& head);
  ParseState start(std::string_view bytes);
  ParseState scan_method(std::string_view bytes, RequestHead& head);
  ParseState method_failure(char byte) noexcept;
  ParseState target_failure(char byte) noexcept;
  ParseState scan_target(std::string_view bytes, RequestHead& head);
  ParseState scan_version(std::string_view bytes, RequestHead& head);
  ParseState finish(RequestHead& head);
  bool split_target(std::string_view line, RequestHead& head);
  bool split_absolute(std::string_view target, std::size_t authority_at, RequestHead& head);

  Stage stage_ = Stage::Start;
  std::size_t target_at_ = 0;
};

/// The same for response heads, for clients. The reason phrase may be missing with its space.
class ResponseParser : private detail::FieldParser {
 public:
  explicit ResponseParser(const Limits& limits = Limits::client())
      : FieldParser(Role::Response, limits) {}

  ParseResult feed(std::string_view unconsumed, ResponseHead& head);
  const Failure& failure() const noexcept { return failure_; }
  bool started() const noexcept { return stage_ != Stage::Start || scan_at_ != 0; }
  void reset() noexcept;

 private:
  enum class Stage : std::uint8_t { Start, Reason, Fields, Failed };

  ParseState scan_status(std::string_view bytes, ResponseHead& head);
  ParseState scan_reason(std::string_view bytes, ResponseHead& head);

  Stage stage_ = Stage::Start;
};

}  // namespace clearway::http
