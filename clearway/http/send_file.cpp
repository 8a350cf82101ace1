#include <clearway/http/send_file.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <clearway/http/media.hpp>
#include <clearway/os/file.hpp>
#include <clearway/task/to_thread.hpp>

namespace clearway::http {
namespace {

using Known = std::pair<std::string_view, std::string_view>;
constexpr std::array<Known, 30> known_types = {{
    {"avif", "image/avif"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"md", "text/markdown; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"ogg", "audio/ogg"},
    {"otf", "font/otf"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"woff2", "font/woff2"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
}};

// What a file is at the moment.
struct FileState {
  std::uint64_t size = 0;
  std::time_t modified = 0;
  std::string tag;
};

FileState state_of(int descriptor, const std::string& path) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) throw FileError("read", path, errno);
  if (!S_ISREG(status.st_mode)) throw Abort(404, "there is no such file");
  FileState state;
  state.size = static_cast<std::uint64_t>(status.st_size);
  state.modified = status.st_mtim.tv_sec;
  state.tag =
      fmt::format("\"{:x}.{:x}-{:x}\"", status.st_mtim.tv_sec, status.st_mtim.tv_nsec, state.size);
  return state;
}

// Whether a list of entity tags ("\"a\", W/\"b\"", or "*") has this one. With the strong comparison
// a weak tag equals none (RFC 9110 section 8.8.3.2).
bool has_tag(std::string_view list, std::string_view tag, bool strong) {
  if (trim_blanks(list) == "*") return true;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view entry = trim_blanks(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    const bool weak = entry.starts_with("W/");
    if (weak) entry.remove_prefix(2);
    if (entry == tag && !(weak && strong)) return true;
  }
  return false;
}

enum class Precondition { holds, not_modified, failed };

// In the order of RFC 9110 section 13.2.2.
Precondition check(const Request& request, const FileState& file) {
  const bool reads = request.method() == Method::Get || request.method() == Method::Head;
  const auto date = [&](std::string_view name) -> std::optional<std::time_t> {
    const auto text = request.header(name);
    return text ? parse_date(*text) : std::nullopt;
  };
  if (const auto tags = request.header("If-Match")) {
    if (!has_tag(*tags, file.tag, true)) return Precondition::failed;
  } else if (const auto since = date("If-Unmodified-Since")) {
    if (file.modified > *since) return Precondition::failed;
  }
  if (const auto tags = request.header("If-None-Match")) {
    if (!has_tag(*tags, file.tag, false)) return Precondition::holds;
    return reads ? Precondition::not_modified : Precondition::failed;
  }
  const auto since = date("If-Modified-Since");
  const bool unchanged = reads && since && file.modified <= *since;
  return unchanged ? Precondition::not_modified : Precondition::holds;
}

struct Range {
  enum class Kind { whole, part, unsatisfiable };
  Kind kind = Kind::whole;
  std::uint64_t first = 0;
  std::uint64_t length = 0;
};

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = !text.empty() && end == text.data() + text.size();
  if (whole && error == std::errc::result_out_of_range) return ~std::uint64_t{0};
  return whole && error == std::errc() ? std::optional(number) : std::nullopt;
}

// "bytes=0-99", "bytes=100-" or "bytes=-100"; what is none of these is as if it were not there.
Range parse_range(std::string_view text, std::uint64_t size) {
  const Range whole{.kind = Range::Kind::whole, .first = 0, .length = size};
  const Range none{.kind = Range::Kind::unsatisfiable, .first = 0, .length = 0};
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || !equal_ignoring_case(text.substr(0, equals), "bytes")) {
    return whole;
  }
  const std::string_view range = trim_blanks(text.substr(equals + 1));
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) return whole;
  const auto first = number_of(range.substr(0, dash));
  const auto last = number_of(range.substr(dash + 1));
  if (dash == 0) {  // the last so many
    if (!last) return whole;
    const std::uint64_t length = std::min(*last, size);
    if (length == 0) return none;
    return {.kind = Range::Kind::part, .first = size - length, .length = length};
  }
  const bool open = dash + 1 == range.size();
  if (!first || (!last && !open) || (last && *last < *first)) return whole;
  if (*first >= size) return none;
  const std::uint64_t end = open ? size : std::min(size - 1, *last) + 1;
  return {.kind = Range::Kind::part, .first = *first, .length = end - *first};
}

Range range_of(const Request& request, const FileState& file) {
  const Range whole{.kind = Range::Kind::whole, .first = 0, .length = file.size};
  const auto text = request.header("Range");
  if (!text || request.method() != Method::Get) return whole;
  if (const auto validator = request.header("If-Range")) {
    const auto date = parse_date(*validator);
    const bool same = date ? *date == file.modified : trim_blanks(*validator) == file.tag;
    if (!same) return whole;
  }
  return parse_range(*text, file.size);
}

Task<File> open_for_client(std::string path) {
  try {
    co_return co_await File::open(path, File::Mode::read_at_once);
  } catch (const FileError& error) {
    switch (error.code()) {
      case ENOENT:
      case ENOTDIR:
      case ENAMETOOLONG:
      case ENXIO:
      case ELOOP:
        throw Abort(404, "there is no such file");
      case EACCES:
        throw Abort(403, "this file may not be read");
      default:
        throw;
    }
  }
}

Response answer(File file, const FileState& state, const Range& range) {
  const std::string_view type = content_type_of(file.path());
  Response response = Response::stream([kept = std::move(file), range](BodyWriter& out) -> Task<> {
    return out.write_file(kept, range.first, range.length);
  });
  response.content_length(range.length).content_type(type);
  if (range.kind == Range::Kind::part) {
    response.status(206).header(
        "Content-Range",
        fmt::format("bytes {}-{}/{}", range.first, range.first + range.length - 1, state.size));
  }
  return response;
}

}  // namespace

std::string_view content_type_of(std::string_view path) noexcept {
  const std::size_t dot = path.rfind('.');
  const std::size_t slash = path.rfind('/');
  if (dot != std::string_view::npos && (slash == std::string_view::npos || dot > slash)) {
    for (const auto& [ending, type] : known_types) {
      if (equal_ignoring_case(path.substr(dot + 1), ending)) return type;
    }
  }
  return "application/octet-stream";
}

Task<Response> send_file(Request& request, std::string path) {
  File file = co_await open_for_client(path);
  const FileState state = co_await to_thread(state_of, file.descriptor(), path);
  Response response;
  const Precondition precondition = check(request, state);
  const Range range = range_of(request, state);
  if (precondition == Precondition::failed) {
    response = Response("412 Precondition Failed: the file has changed\n").status(412);
  } else if (precondition == Precondition::not_modified) {
    response = Response::with_status(304);
  } else if (range.kind == Range::Kind::unsatisfiable) {
    response = Response("416 Range Not Satisfiable: the file ends before\n").status(416);
    response.header("Content-Range", fmt::format("bytes */{}", state.size));
  } else {
    response = answer(std::move(file), state, range);
    response.header("Accept-Ranges", "bytes");
  }
  response.header("ETag", state.tag).header("Last-Modified", format_date(state.modified));
  co_return response;
}

}  // namespace clearway::http
