#include <clearway/http/router.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/http/serialize.hpp>
#include <clearway/http/url.hpp>

namespace clearway::http {

namespace {

[[noreturn]] void refuse(std::string_view pattern, std::size_t at, std::string_view reason) {
  throw UsageError(fmt::format("route \"{}\", column {}: {}", pattern, at + 1, reason));
}

ParameterKind kind_of(std::string_view pattern, std::size_t at, std::string_view name) {
  if (name == "int") return ParameterKind::Integer;
  if (name == "str") return ParameterKind::Segment;
  if (name == "path") return ParameterKind::Path;
  refuse(pattern, at, fmt::format("unknown type \"{}\": there are int, str and path", name));
}

bool is_name(std::string_view text) noexcept {
  const auto allowed = [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_';
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), allowed);
}

Pattern::Part parse_part(std::string_view pattern, std::size_t at, std::string_view segment) {
  const std::size_t brace = segment.find_first_of("{}");
  if (brace == std::string_view::npos) {
    const std::size_t bad = segment.find_first_of("?#%");
    if (bad != std::string_view::npos) {
      refuse(pattern, at + bad,
             "'?', '#' and '%' cannot stand in a route: write the path decoded, without a query");
    }
    return {false, ParameterKind::Segment, std::string(segment)};
  }
  if (segment.front() != '{' || segment.back() != '}') {
    refuse(pattern, at + brace, "a parameter is a whole segment, as in \"/users/{id:int}\"");
  }
  const std::string_view inside = segment.substr(1, segment.size() - 2);
  const std::size_t colon = inside.find(':');
  const std::string_view name = inside.substr(0, colon);
  if (!is_name(name)) {
    refuse(pattern, at + 1, "a parameter's name consists of letters, digits and '_'");
  }
  const ParameterKind kind = colon == std::string_view::npos
                                 ? ParameterKind::Segment
                                 : kind_of(pattern, at + colon + 2, inside.substr(colon + 1));
  return {true, kind, std::string(name)};
}

bool is_integer(std::string_view text) noexcept {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool valid_escapes(std::string_view path) {
  const std::optional<std::string> decoded = percent_decode(path);
  return decoded.has_value() && decoded->find('\0') == std::string::npos;
}

std::string allow_field(const Router::Endpoint& endpoint) {
  std::string allow;
  const auto add = [&](std::string_view name) {
    if (!allow.empty()) allow += ", ";
    allow += name;
  };
  for (const auto& entry : endpoint.entries) add(entry.name);
  if (endpoint.find(Method::Get, "GET") != nullptr && allow.find("HEAD") == std::string::npos) {
    add("HEAD");
  }
  if (allow.find("OPTIONS") == std::string::npos) add("OPTIONS");
  return allow;
}

}  // namespace

Pattern Pattern::parse(std::string_view text) {
  if (text.empty() || text.front() != '/') refuse(text, 0, "a route begins with '/'");
  Pattern pattern;
  pattern.text_ = text;
  for (std::size_t at = 1;;) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    const Part part = parse_part(text, at, text.substr(at, end - at));
    if (part.is_parameter) {
      for (const Part& other : pattern.parts_) {
        if (other.is_parameter && other.text == part.text) {
          refuse(text, at, fmt::format("the name \"{}\" is used twice", part.text));
        }
      }
      if (pattern.parameters().size() == most_parameters) {
        refuse(text, at, fmt::format("more than {} parameters", most_parameters));
      }
      if (part.kind == ParameterKind::Path && end != text.size()) {
        refuse(text, at, "a parameter of type path takes the rest: nothing can follow it");
      }
    }
    pattern.parts_.push_back(part);
    if (end == text.size()) return pattern;
    at = end + 1;
  }
}

std::vector<Pattern::Part> Pattern::parameters() const {
  std::vector<Part> result;
  std::copy_if(parts_.begin(), parts_.end(), std::back_inserter(result),
               [](const Part& part) { return part.is_parameter; });
  return result;
}

std::string decode_parameter(std::string_view raw) {
  if (raw.find('%') == std::string_view::npos) return std::string(raw);
  return percent_decode(raw).value_or(std::string(raw));
}

const Router::Endpoint::Entry* Router::Endpoint::find(Method method,
                                                      std::string_view name) const noexcept {
  for (const Entry& entry : entries) {
    if (entry.method == method && (method != Method::Other || entry.name == name)) return &entry;
  }
  return nullptr;
}

// Eight bytes at a time. The keys are the program's own routes: nobody can make them collide.
std::size_t Router::Hash::operator()(std::string_view text) const noexcept {
  constexpr std::uint64_t odd = 0x9E3779B97F4A7C15;
  std::uint64_t hash = text.size();
  const char* at = text.data();
  const auto mix = [&](std::uint64_t word) {
    hash = (hash ^ word) * odd;
    hash ^= hash >> 32;
  };
  std::uint64_t word = 0;
  std::size_t left = text.size();
  for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
    std::memcpy(&word, at, sizeof word);
    mix(word);
  }
  word = 0;
  for (; left > 0; --left) word = word << 8 | static_cast<unsigned char>(*at++);
  mix(word);
  return hash;
}

Router::Node& Router::node_for(const Pattern& pattern) {
  Node* node = &root_;
  for (const Pattern::Part& part : pattern.parts()) {
    std::unique_ptr<Node>& next = part.is_parameter
                                      ? node->parameters[static_cast<std::size_t>(part.kind)]
                                      : node->literals[part.text];
    if (next == nullptr) next = std::make_unique<Node>();
    node = next.get();
  }
  return *node;
}

void Router::add(std::string_view method, const Pattern& pattern,
                 std::shared_ptr<detail::Handler> handler) {
  check_method(method);
  Node& node = node_for(pattern);
  if (node.endpoint == nullptr) node.endpoint = std::make_unique<Endpoint>();
  Endpoint& endpoint = *node.endpoint;
  const Method known = parse_method(method);
  if (const Endpoint::Entry* other = endpoint.find(known, method)) {
    throw UsageError(fmt::format("route {} \"{}\" is there already{}", method, pattern.text(),
                                 other->pattern.text() == pattern.text()
                                     ? std::string()
                                     : fmt::format(", as \"{}\"", other->pattern.text())));
  }
  endpoint.entries.emplace_back(known, std::string(method), std::move(handler), pattern);
  endpoint.allow = allow_field(endpoint);
  if (pattern.parameters().empty()) fixed_[pattern.text()] = &endpoint;
}

// Looks at the segment that `rest` begins with; `rest` has no leading slash.
const Router::Endpoint* Router::search(const Node& node, std::string_view rest, bool escaped,
                                       RouteParameters& parameters) const {
  const std::size_t end = std::min(rest.find('/'), rest.size());
  const std::string_view segment = rest.substr(0, end);
  const bool last = end == rest.size();
  const auto descend = [&](const Node& child) -> const Endpoint* {
    if (last) return child.endpoint.get();
    return search(child, rest.substr(end + 1), escaped, parameters);
  };
  if (!node.literals.empty()) {
    const auto found = escaped && segment.find('%') != std::string_view::npos
                           ? node.literals.find(decode_parameter(segment))
                           : node.literals.find(segment);
    if (found != node.literals.end()) {
      if (const Endpoint* endpoint = descend(*found->second)) return endpoint;
    }
  }
  const auto try_parameter = [&](ParameterKind kind, std::string_view value) -> const Endpoint* {
    const Node* child = node.parameters[static_cast<std::size_t>(kind)].get();
    if (child == nullptr || value.empty()) return nullptr;
    parameters.values[parameters.count++] = value;
    const Endpoint* endpoint =
        kind == ParameterKind::Path ? child->endpoint.get() : descend(*child);
    if (endpoint == nullptr) --parameters.count;
    return endpoint;
  };
  if (is_integer(segment)) {
    if (const Endpoint* endpoint = try_parameter(ParameterKind::Integer, segment)) return endpoint;
  }
  if (const Endpoint* endpoint = try_parameter(ParameterKind::Segment, segment)) return endpoint;
  return try_parameter(ParameterKind::Path, rest);
}

void Router::find(Method method, std::string_view method_name, std::string_view path,
                  Match& match) const {
  match.outcome = Outcome::NoPath;
  match.endpoint = nullptr;
  match.entry = nullptr;
  match.parameters.count = 0;
  if (path.empty() || path.front() != '/') return;
  const auto fixed = fixed_.find(path);
  if (fixed != fixed_.end()) {
    match.endpoint = fixed->second;
  } else {
    const bool escaped = path.find('%') != std::string_view::npos;
    if (escaped && !valid_escapes(path)) {
      match.outcome = Outcome::BadEscape;
      return;
    }
    match.endpoint = search(root_, path.substr(1), escaped, match.parameters);
  }
  if (match.endpoint == nullptr) return;
  match.entry = match.endpoint->find(method, method_name);
  if (match.entry == nullptr && method == Method::Head) {
    match.entry = match.endpoint->find(Method::Get, "GET");
  }
  match.outcome = match.entry == nullptr ? Outcome::NoMethod : Outcome::Found;
}

}  // namespace clearway::http
