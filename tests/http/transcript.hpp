#pragma once

#include <clearway/http/body.hpp>
#include <clearway/http/parser.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clearway::http::testing {

/// What came out of a stream of messages, in a form that can be compared and printed.
struct Message {
  std::string start;  // "GET /path 1" or "200 OK 1"
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::vector<std::pair<std::string, std::string>> trailers;
  bool complete = false;

  bool operator==(const Message&) const = default;
};

struct Transcript {
  std::vector<Message> messages;
  int status = 0;  // of the failure, 0 if there was none
  std::string reason;
  std::size_t failed_at = 0;   // from the stream's first byte
  std::size_t message_at = 0;  // where the last message began

  bool ok() const { return status == 0; }
  bool operator==(const Transcript&) const = default;
};

enum class Side { Request, Response };

struct ReadOptions {
  ReadOptions() = default;
  Side side = Side::Request;
  Method answered = Method::Get;  // the request that responses answer
  bool close_at_end = false;      // the peer closes after the last byte
  Limits limits;
};

/// Reads as many messages as there are, given pieces of the sizes that `next_size` returns.
Transcript read_messages(std::string_view stream, const ReadOptions& options,
                         const std::function<std::size_t()>& next_size);

/// In one piece, and byte by byte.
Transcript read_whole(std::string_view stream, const ReadOptions& options);
Transcript read_by_bytes(std::string_view stream, const ReadOptions& options);

/// For a failed comparison.
std::string to_string(const Transcript& transcript);

/// Where the test data lies that is not part of the project: `CLEARWAY_VECTORS`, or
/// ../shared/vectors beside the source root; empty if it is not there.
std::string vectors_folder();

}  // namespace clearway::http::testing
