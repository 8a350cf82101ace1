#include <clearway/http/characters.hpp>
#include <clearway/http/coding.hpp>
#include <clearway/http/headers.hpp>

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <new>

namespace clearway::http {

namespace {

constexpr int kGzipWindow = MAX_WBITS + 16;
constexpr int kZlibWindow = MAX_WBITS;
constexpr int kRawWindow = -MAX_WBITS;
// zlib counts in 32 bits; larger inputs are given in parts.
constexpr std::size_t kLargestPart = std::size_t{1} << 30;

unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<unsigned char*>(const_cast<char*>(text.data()));
}

// "q=0" and "q=0.000" refuse a coding; anything else takes it.
bool refused(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::size_t semicolon = std::min(parameters.find(';'), parameters.size());
    const std::string_view one = trim_blanks(parameters.substr(0, semicolon));
    parameters.remove_prefix(std::min(semicolon + 1, parameters.size()));
    if (one.size() < 3 || detail::lower(one[0]) != 'q' || one[1] != '=') continue;
    return one.substr(2).find_first_not_of("0.") == std::string_view::npos;
  }
  return false;
}

}  // namespace

Coding parse_content_encoding(std::string_view value) {
  const std::string_view name = trim_blanks(value);
  if (name.empty() || equal_ignoring_case(name, "identity")) return Coding::Identity;
  if (equal_ignoring_case(name, "gzip") || equal_ignoring_case(name, "x-gzip")) {
    return Coding::Gzip;
  }
  if (equal_ignoring_case(name, "deflate")) return Coding::Deflate;
  if (name.find(',') != std::string_view::npos) {
    throw DecodeError(
        fmt::format("body is coded more than once (Content-Encoding: {})", name.substr(0, 80)));
  }
  throw DecodeError(fmt::format(
      "body has a coding that is not supported (Content-Encoding: {}); gzip and deflate are",
      name.substr(0, 80)));
}

std::string_view accept_encoding() noexcept { return "gzip, deflate"; }

bool accepts_gzip(std::string_view list) noexcept {
  bool any = false;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view element = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    const std::size_t semicolon = std::min(element.find(';'), element.size());
    const std::string_view name = trim_blanks(element.substr(0, semicolon));
    const bool wanted = !refused(element.substr(semicolon));
    if (equal_ignoring_case(name, "gzip") || equal_ignoring_case(name, "x-gzip")) return wanted;
    if (name == "*") any = wanted;
  }
  return any;
}

struct Decompressor::State {
  z_stream stream{};
  Coding coding = Coding::Identity;
  DecodeLimits limits;
  std::uint64_t input = 0;
  std::uint64_t output = 0;
  bool open = false;       // stream is initialised
  bool in_member = false;  // between a member's first byte and its end
  bool ended = false;      // a member has ended: padding or another member may follow
  bool pending = false;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { close(); }

  void begin(int window) {
    close();
    stream = {};
    if (inflateInit2(&stream, window) != Z_OK) throw std::bad_alloc();
    open = true;
    in_member = true;
  }
  void close() {
    if (open) inflateEnd(&stream);
    open = false;
  }
  const char* name() const { return coding == Coding::Gzip ? "gzip" : "deflate"; }

  std::size_t skip_padding(std::string_view part);
  void begin_member(char first);
  void check_limits() const;
  std::size_t step(std::string_view part, std::string& out, std::size_t room);
};

// After a member: zeros are padding, of tar for one.
std::size_t Decompressor::State::skip_padding(std::string_view part) {
  if (coding != Coding::Gzip) throw DecodeError("bytes after the end of a deflate body");
  const std::size_t zeros = std::min(part.find_first_not_of('\0'), part.size());
  input += zeros;
  return zeros;
}

void Decompressor::State::begin_member(char first) {
  if (coding == Coding::Gzip) {
    begin(kGzipWindow);
    return;
  }
  // RFC 1950: the low four bits of zlib's first byte are 8, and the window's size is at most 7.
  // Bare DEFLATE would begin with a stored block of a non-final kind to look like that.
  const auto byte = static_cast<unsigned char>(first);
  begin((byte & 0x0f) == 8 && byte >> 4 <= 7 ? kZlibWindow : kRawWindow);
}

void Decompressor::State::check_limits() const {
  if (output > limits.output) {
    throw TooLarge(
        fmt::format("body grows beyond the limit of {} bytes when decompressed", limits.output));
  }
  if (output > limits.ratio_free && output / limits.ratio > input) {
    throw TooLarge(fmt::format("body grows more than {} fold when decompressed ({} bytes from {})",
                               limits.ratio, output, input));
  }
}

std::size_t Decompressor::State::step(std::string_view part, std::string& out, std::size_t room) {
  const std::size_t had = out.size();
  // Small pieces of input seldom fill much: the string is not made longer than they may need.
  room = std::min(room, std::max<std::size_t>(4096, part.size() * 4));
  out.resize(had + room);
  stream.next_in = bytes_of(part);
  stream.avail_in = static_cast<uInt>(part.size());
  stream.next_out = reinterpret_cast<unsigned char*>(out.data() + had);
  stream.avail_out = static_cast<uInt>(room);
  const int result = inflate(&stream, Z_NO_FLUSH);
  const std::size_t used = part.size() - stream.avail_in;
  const std::size_t made = room - stream.avail_out;
  out.resize(had + made);
  input += used;
  output += made;
  pending = stream.avail_out == 0 && result != Z_STREAM_END;
  if (result == Z_STREAM_END) {
    in_member = false;
    ended = true;
  } else if (result == Z_MEM_ERROR) {
    throw std::bad_alloc();
  } else if (result != Z_OK && result != Z_BUF_ERROR) {
    throw DecodeError(fmt::format("{} body is damaged near its byte {}: {}", name(), input,
                                  stream.msg != nullptr ? stream.msg : "bad data"));
  }
  check_limits();
  return used;
}

Decompressor::Decompressor(Coding coding, const DecodeLimits& limits)
    : state_(std::make_unique<State>()) {
  state_->coding = coding;
  state_->limits = limits;
}
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;
Decompressor::~Decompressor() = default;

std::size_t Decompressor::decode(std::string_view given, std::string& out, std::size_t at_most) {
  State& state = *state_;
  at_most = std::clamp<std::size_t>(at_most, 1, kLargestPart);
  if (state.coding == Coding::Identity) {
    const std::string_view part = given.substr(0, at_most);
    out.append(part);
    state.input += part.size();
    state.output += part.size();
    state.check_limits();
    return part.size();
  }
  std::size_t used = 0;
  const std::size_t had = out.size();
  while (used < given.size() || state.pending) {
    const std::size_t room = at_most - (out.size() - had);
    if (room == 0) {
      state.pending = true;
      break;
    }
    std::string_view part = given.substr(used, kLargestPart);
    if (!state.in_member) {
      if (state.ended) used += state.skip_padding(part);
      part = given.substr(used, kLargestPart);
      state.pending = false;
      if (part.empty()) break;
      state.begin_member(part.front());
    }
    used += state.step(part, out, room);
  }
  return used;
}

bool Decompressor::pending() const noexcept { return state_->pending; }

void Decompressor::finish() {
  const State& state = *state_;
  if (state.coding == Coding::Identity || (!state.in_member && state.input == 0)) return;
  if (state.in_member || !state.ended) {
    throw DecodeError(
        fmt::format("{} body is cut short after {} bytes", state.name(), state.input));
  }
}

std::uint64_t Decompressor::input_bytes() const noexcept { return state_->input; }
std::uint64_t Decompressor::output_bytes() const noexcept { return state_->output; }

struct GzipEncoder::State {
  z_stream stream{};
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { deflateEnd(&stream); }
};

GzipEncoder::GzipEncoder(int level) : state_(std::make_unique<State>()) {
  const int result = deflateInit2(&state_->stream, std::clamp(level, 1, 9), Z_DEFLATED, kGzipWindow,
                                  8, Z_DEFAULT_STRATEGY);
  if (result != Z_OK) throw std::bad_alloc();
}
GzipEncoder::GzipEncoder(GzipEncoder&&) noexcept = default;
GzipEncoder& GzipEncoder::operator=(GzipEncoder&&) noexcept = default;
GzipEncoder::~GzipEncoder() = default;

void GzipEncoder::encode(std::string_view data, std::string& out) {
  while (!data.empty()) {
    const std::string_view part = data.substr(0, kLargestPart);
    data.remove_prefix(part.size());
    run(part, out, Z_NO_FLUSH);
  }
}

void GzipEncoder::flush(std::string& out) { run({}, out, Z_SYNC_FLUSH); }
void GzipEncoder::finish(std::string& out) { run({}, out, Z_FINISH); }

void GzipEncoder::run(std::string_view data, std::string& out, int mode) {
  constexpr std::size_t room = 16 * 1024;
  z_stream& stream = state_->stream;
  stream.next_in = bytes_of(data);
  stream.avail_in = static_cast<uInt>(data.size());
  do {
    const std::size_t had = out.size();
    out.resize(had + room);
    stream.next_out = reinterpret_cast<unsigned char*>(out.data() + had);
    stream.avail_out = static_cast<uInt>(room);
    deflate(&stream, mode);
    out.resize(had + room - stream.avail_out);
  } while (stream.avail_out == 0);
}

std::string gzip(std::string_view data, int level) {
  GzipEncoder encoder(level);
  std::string out;
  encoder.encode(data, out);
  encoder.finish(out);
  return out;
}

}  // namespace clearway::http
