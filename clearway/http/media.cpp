#include <clearway/http/characters.hpp>
#include <clearway/http/headers.hpp>
#include <clearway/http/media.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace clearway::http {

namespace {

using detail::is_digit;

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& byte : result) byte = detail::lower(byte);
  return result;
}

// One parameter value, a token or a quoted string, from the front of `rest`.
std::optional<std::string> take_value(std::string_view& rest) {
  std::string value;
  if (rest.empty() || rest.front() != '"') {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    value = trim_blanks(rest.substr(0, end));
    rest.remove_prefix(end);
    return detail::all(value, detail::kToken) && !value.empty() ? std::optional(value)
                                                                : std::nullopt;
  }
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return value;
    }
    if (rest[i] == '\\' && ++i == rest.size()) break;
    value += rest[i];
  }
  rest = {};
  return std::nullopt;
}

// Days since 1970-01-01 of a date in the proleptic Gregorian calendar (March-based years).
std::int64_t days_from_civil(std::int64_t year, int month, int day) {
  year -= month <= 2;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719468;
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  for (char digit : text) {
    if (!is_digit(digit)) return std::nullopt;
    value = value * 10 + (digit - '0');
  }
  return text.empty() ? std::nullopt : std::optional(value);
}

std::optional<std::time_t> make_time(std::optional<int> year, std::string_view month_name,
                                     std::optional<int> day, std::string_view clock) {
  const auto month = std::find(kMonths.begin(), kMonths.end(), month_name);
  if (!year || !day || month == kMonths.end() || clock.size() != 8) return std::nullopt;
  if (clock[2] != ':' || clock[5] != ':') return std::nullopt;
  const auto hour = number(clock.substr(0, 2));
  const auto minute = number(clock.substr(3, 2));
  const auto second = number(clock.substr(6, 2));
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  const int month_number = static_cast<int>(month - kMonths.begin()) + 1;
  const std::int64_t days = days_from_civil(*year, month_number, *day);
  const std::int64_t next = month_number == 12 ? days_from_civil(*year + 1, 1, 1)
                                               : days_from_civil(*year, month_number + 1, 1);
  if (*day < 1 || days >= next) return std::nullopt;
  return static_cast<std::time_t>(((days * 24 + *hour) * 60 + *minute) * 60 +
                                  std::min(*second, 59));
}

}  // namespace

bool MediaType::is_json() const noexcept {
  if ((type == "application" || type == "text") && subtype == "json") return true;
  return subtype.size() > 5 && subtype.ends_with("+json");
}

MediaType MediaType::parse(std::string_view value) {
  MediaType result;
  const std::size_t semicolon = std::min(value.find(';'), value.size());
  const std::string_view essence = trim_blanks(value.substr(0, semicolon));
  const std::size_t slash = essence.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == essence.size()) return result;
  const std::string_view type = essence.substr(0, slash);
  const std::string_view subtype = essence.substr(slash + 1);
  if (!detail::all(type, detail::kToken) || !detail::all(subtype, detail::kToken)) return result;
  result.type = lower_case(type);
  result.subtype = lower_case(subtype);
  std::string_view rest = value.substr(semicolon);
  while (!rest.empty()) {
    const std::size_t next = rest.find(';');
    if (next == std::string_view::npos) break;
    rest.remove_prefix(next + 1);
    const std::size_t equals = rest.find('=');
    if (equals == std::string_view::npos || rest.find(';') < equals) continue;
    const std::string_view name = trim_blanks(rest.substr(0, equals));
    rest.remove_prefix(equals + 1);
    const std::optional<std::string> parameter = take_value(rest);
    if (!parameter) continue;
    // The first of a name counts, so that two readers agree.
    if (equal_ignoring_case(name, "charset") && result.charset.empty()) {
      result.charset = lower_case(*parameter);
    } else if (equal_ignoring_case(name, "boundary") && result.boundary.empty()) {
      result.boundary = *parameter;
    }
  }
  return result;
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const auto byte = i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u;
      group = group << 8 | byte;
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const bool padding = i + k > bytes.size();
      out += padding ? '=' : kBase64[group >> (18 - 6 * k) & 63];
    }
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (char byte : text.substr(0, text.size() - padding)) {
    const std::size_t value = kBase64.find(byte);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(bits >> held & 0xff);
    }
  }
  if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
  return out;
}

std::string basic_auth(std::string_view user, std::string_view password) {
  if (user.find(':') != std::string_view::npos) {
    throw HeaderError("a user name for basic authentication may not contain ':'");
  }
  for (std::string_view part : {user, password}) {
    for (char byte : part) {
      const auto value = static_cast<unsigned char>(byte);
      if (value >= 0x20 && value != 0x7f) continue;
      throw HeaderError(fmt::format("the {} for basic authentication may not contain {}",
                                    part.data() == user.data() ? "user name" : "password",
                                    detail::show_byte(byte)));
    }
  }
  return "Basic " + base64_encode(fmt::format("{}:{}", user, password));
}

std::string format_date(std::time_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                     kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::optional<std::time_t> parse_date(std::string_view text) noexcept {
  // "Sun, 06 Nov 1994 08:49:37 GMT"
  if (text.size() == 29 && text.substr(3, 2) == ", " && text.ends_with(" GMT") && text[7] == ' ' &&
      text[11] == ' ' && text[16] == ' ') {
    return make_time(number(text.substr(12, 4)), text.substr(8, 3), number(text.substr(5, 2)),
                     text.substr(17, 8));
  }
  // "Sun Nov  6 08:49:37 1994", of C's asctime
  if (text.size() == 24 && text[3] == ' ' && text[7] == ' ' && text[10] == ' ' && text[19] == ' ') {
    std::string_view day = text.substr(8, 2);
    if (day.front() == ' ') day.remove_prefix(1);
    return make_time(number(text.substr(20, 4)), text.substr(4, 3), number(day),
                     text.substr(11, 8));
  }
  // "Sunday, 06-Nov-94 08:49:37 GMT", of RFC 850: two digits of the year
  const std::size_t comma = text.find(", ");
  if (comma == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(comma + 2);
  if (rest.size() != 22 || rest[2] != '-' || rest[6] != '-' || rest[9] != ' ' ||
      !rest.ends_with(" GMT")) {
    return std::nullopt;
  }
  std::optional<int> year = number(rest.substr(7, 2));
  if (year) *year += *year < 70 ? 2000 : 1900;
  return make_time(year, rest.substr(3, 3), number(rest.substr(0, 2)), rest.substr(10, 8));
}

}  // namespace clearway::http
