#pragma once

// Patterns of paths and the tree that finds the route of a request.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <clearway/http/message.hpp>

namespace clearway::http {

namespace detail {
class Handler;
}

// What a parameter of a pattern matches: `{id:int}` an integer of 64 bits, `{name}` (or
// `{name:str}`) one whole segment that is not empty, `{rest:path}` everything to the end.
enum class ParameterKind : std::uint8_t { Integer, Segment, Path };

// "/users/{id:int}/posts", taken apart.
class Pattern {
 public:
  struct Part {
    Part(bool is_parameter, ParameterKind kind, std::string text)
        : is_parameter(is_parameter), kind(kind), text(std::move(text)) {}
    bool is_parameter;
    ParameterKind kind;
    std::string text;  // the literal segment, or the parameter's name
  };

  static constexpr std::size_t most_parameters = 8;

  // Throws UsageError, which shows the pattern and the column.
  static Pattern parse(std::string_view text);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::vector<Part>& parts() const noexcept { return parts_; }
  [[nodiscard]] std::vector<Part> parameters() const;

 private:
  std::string text_;
  std::vector<Part> parts_;
};

// Where a route's parameters lie in a path, still percent-encoded, in the pattern's order.
struct RouteParameters {
  std::array<std::string_view, Pattern::most_parameters> values;
  std::size_t count = 0;
};

// One parameter, percent-decoded once.
std::string decode_parameter(std::string_view raw);

class Router {
 public:
  // What answers one path: a handler for each method.
  struct Endpoint {
    struct Entry {
      Entry(Method method, std::string name, std::shared_ptr<detail::Handler> handler,
            Pattern pattern)
          : method(method),
            name(std::move(name)),
            handler(std::move(handler)),
            pattern(std::move(pattern)) {}
      Method method;
      std::string name;
      std::shared_ptr<detail::Handler> handler;
      Pattern pattern;
    };
    std::vector<Entry> entries;
    std::string allow;  // "GET, HEAD, OPTIONS": the value of an Allow field

    [[nodiscard]] const Entry* find(Method method, std::string_view name) const noexcept;
  };

  enum class Outcome : std::uint8_t { Found, NoPath, NoMethod, BadEscape };

  struct Match {
    Outcome outcome = Outcome::NoPath;
    const Endpoint* endpoint = nullptr;      // with Found and NoMethod
    const Endpoint::Entry* entry = nullptr;  // with Found
    RouteParameters parameters;
  };

  Router() = default;

  // Throws UsageError when the same method has a pattern of the same shape already.
  void add(std::string_view method, const Pattern& pattern,
           std::shared_ptr<detail::Handler> handler);

  // `path` is as it was sent, percent-encoded. A literal goes before an integer, that before a
  // segment, and that before the rest of a path. Its cost depends on the path, not on how many
  // routes there are; it allocates only for a path with percent escapes.
  void find(Method method, std::string_view method_name, std::string_view path, Match& match) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept;
  };
  template <class T>
  using ByName = std::unordered_map<std::string, T, Hash, std::equal_to<>>;

  struct Node {
    ByName<std::unique_ptr<Node>> literals;
    std::array<std::unique_ptr<Node>, 3> parameters;  // by ParameterKind
    std::unique_ptr<Endpoint> endpoint;
  };

  Node& node_for(const Pattern& pattern);
  const Endpoint* search(const Node& node, std::string_view rest, bool escaped,
                         RouteParameters& parameters) const;

  Node root_;
  ByName<const Endpoint*> fixed_;  // paths without parameters, found in one step
};

}  // namespace clearway::http
