#include "llhttp_differences.hpp"
#include "transcript.hpp"

#include <clearway/http/headers.hpp>
#include <clearway/http/media.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <map>
#include <set>

namespace clearway::http {
namespace {

using nlohmann::json;
using testing::Message;
using testing::read_by_bytes;
using testing::read_whole;
using testing::ReadOptions;
using testing::Side;
using testing::Transcript;

std::vector<json> load() {
  std::vector<json> cases;
  std::ifstream file(testing::vectors_folder() + "/llhttp.jsonl");
  for (std::string line; std::getline(file, line);) cases.push_back(json::parse(line));
  return cases;
}

ReadOptions options_for(const json& test) {
  const std::string type = test["type"];
  ReadOptions options;
  options.side = type.starts_with("response") ? Side::Response : Side::Request;
  options.close_at_end = type.ends_with("-finish");
  // llhttp's "skip body" is how a client reads the answer to HEAD.
  options.answered = test["skip_body"].get<bool>() ? Method::Head : Method::Get;
  return options;
}

// llhttp does not ask for a Host field, so most of its requests have none: one is put into each of
// them, that everything else can be compared.
std::string with_hosts(std::string stream, const ReadOptions& options) {
  for (int i = 0; i < 20; ++i) {
    const Transcript result = read_whole(stream, options);
    if (!result.reason.ends_with("without a Host field")) break;
    const std::size_t line_end = stream.find("\r\n", result.message_at + 2);
    std::string host = "a";
    const std::size_t authority = stream.find("://", result.message_at);
    if (authority < line_end) {
      host =
          stream.substr(authority + 3, stream.find_first_of("/? ", authority + 3) - authority - 3);
    }
    stream.insert(line_end + 2, "Host: " + host + "\r\n");
  }
  return stream;
}

// llhttp reports the end of HTTP on a connection as an error of its own.
bool accepted(const json& test) {
  if (test["ok"].get<bool>()) return true;
  const int code = test["error"]["code"];
  return code == 22;
}

std::string start_of(const json& message, Side side) {
  if (side == Side::Request) return message.value("method", "") + " " + message.value("url", "");
  return message.value("status_code", message.value("hc_status", ""));
}

std::string without_host(const std::vector<std::pair<std::string, std::string>>& headers) {
  std::string out;
  for (const auto& [name, value] : headers) {
    if (!equal_ignoring_case(name, "host"))
      out += name + ": " + std::string(trim_blanks(value)) + "\n";
  }
  return out;
}

// The vectors' text holds one character for each byte.
std::string bytes_of(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80 || i + 1 == text.size()) {
      out += text[i];
    } else {
      out += static_cast<char>((lead & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
    }
  }
  return out;
}

// llhttp's log of a body leaves out its line ends.
std::string without_line_ends(std::string text) {
  std::erase_if(text, [](char byte) { return byte == '\r' || byte == '\n'; });
  return text;
}

std::vector<std::pair<std::string, std::string>> fields_of(const json& fields) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& field : fields) {
    out.emplace_back(bytes_of(field[0]), bytes_of(field[1]));
  }
  return out;
}

// What differs between the two transcripts; empty if nothing.
std::string compare(const json& test, const Transcript& ours, Side side) {
  if (accepted(test) != ours.ok()) {
    return ours.ok() ? "accepted, llhttp refuses it" : "refused: " + ours.reason;
  }
  if (!ours.ok()) return {};
  std::vector<json> theirs;
  for (const json& message : test["messages"]) {
    if (message.value("headers_done", false)) theirs.push_back(message);
  }
  if (theirs.size() != ours.messages.size()) return "another number of messages";
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    const Message& mine = ours.messages[i];
    if (side == Side::Request &&
        mine.start.substr(0, mine.start.rfind(' ')) != start_of(theirs[i], side)) {
      return "another request line: " + mine.start;
    }
    if (without_host(mine.headers) != without_host(fields_of(theirs[i]["headers"])))
      return "other headers";
    const std::string body = base64_decode(theirs[i].value("body_b64", "")).value();
    if (without_line_ends(mine.body) != without_line_ends(body)) return "another body";
    if (without_host(mine.trailers) != without_host(fields_of(theirs[i]["trailers"])))
      return "other trailers";
    if (mine.complete != theirs[i].value("complete", false)) return "complete or not";
  }
  return {};
}

TEST(LlhttpVectors, EveryDifferenceIsExplained) {
  const std::vector<json> cases = load();
  if (cases.empty()) GTEST_SKIP() << "llhttp.jsonl is not here: set CLEARWAY_VECTORS";
  std::map<std::string, std::string> explained;
  for (const auto& [id, why] : testing::kLlhttpDifferences) explained[std::string(id)] = why;
  std::set<std::string> seen;
  std::size_t compared = 0;
  for (const json& test : cases) {
    const std::string type = test["type"];
    if (type == "url" || type.find("lenient") != std::string::npos) continue;
    const ReadOptions options = options_for(test);
    // Only a client can know that a body is missing; a server has no use for it.
    if (test["skip_body"].get<bool>() && options.side == Side::Request) continue;
    const std::string stream =
        with_hosts(base64_decode(test["input_b64"].get<std::string>()).value(), options);
    const Transcript ours = read_whole(stream, options);
    const std::string difference = compare(test, ours, options.side);
    const std::string id = test["id"];
    ++compared;
    if (difference.empty()) continue;
    EXPECT_TRUE(explained.contains(id)) << id << ": " << difference << "\n"
                                        << stream << "\nours:\n"
                                        << to_string(ours);
    seen.insert(id);
  }
  EXPECT_GT(compared, 200u);
  for (const auto& [id, why] : explained) {
    EXPECT_TRUE(seen.contains(id)) << id << " does not differ any more: " << why;
  }
}

// With the lenient ones too: whatever we make of them, we make it however they are cut.
TEST(LlhttpVectors, ByteByByteIsTheSame) {
  const std::vector<json> cases = load();
  if (cases.empty()) GTEST_SKIP() << "llhttp.jsonl is not here: set CLEARWAY_VECTORS";
  for (const json& test : cases) {
    if (test["type"] == "url") continue;
    const ReadOptions options = options_for(test);
    const std::string plain = base64_decode(test["input_b64"].get<std::string>()).value();
    for (const std::string& stream : {plain, with_hosts(plain, options)}) {
      const Transcript whole = read_whole(stream, options);
      const Transcript bytes = read_by_bytes(stream, options);
      EXPECT_EQ(whole, bytes) << test["id"] << "\n"
                              << to_string(whole) << "byte by byte:\n"
                              << to_string(bytes);
    }
  }
}

TEST(LlhttpVectors, Targets) {
  const std::vector<json> cases = load();
  if (cases.empty()) GTEST_SKIP() << "llhttp.jsonl is not here: set CLEARWAY_VECTORS";
  std::size_t compared = 0;
  for (const json& test : cases) {
    if (test["type"] != "url") continue;
    const std::string target = base64_decode(test["input_b64"].get<std::string>()).value();
    const std::string id = test["id"];
    RequestParser parser;
    RequestHead head;
    const std::string method = id.find("connect") != std::string::npos ? "CONNECT " : "GET ";
    const ParseState state = parser.feed(method + target + " HTTP/1.0\r\n\r\n", head).state;
    ++compared;
    const bool differs = testing::kTargetDifferences.contains(id);
    EXPECT_EQ((state == ParseState::Complete) != test["ok"].get<bool>(), differs)
        << id << " " << target << " " << parser.failure().reason;
  }
  EXPECT_EQ(compared, 21u);
}

}  // namespace
}  // namespace clearway::http
