#include <clearway/inspect/names.hpp>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>

#include <cxxabi.h>
#include <fmt/format.h>
#include <clearway/inspect/snapshot.hpp>

namespace clearway::inspect {
namespace {

// Every place of `text` that is in no bracket.
template <class Visit>
void at_depth_zero(std::string_view text, Visit visit) {
  int depth = 0;
  for (std::size_t index = 0; index < text.size(); ++index) {
    const char character = text[index];
    const bool arrow = character == '>' && index > 0 && text[index - 1] == '-';
    if (character == '<' || character == '(' || character == '[' || character == '{') {
      if (depth == 0) visit(index, character);
      ++depth;
    } else if ((character == '>' && !arrow) || character == ')' || character == ']' ||
               character == '}') {
      if (depth > 0) --depth;
    } else if (depth == 0) {
      visit(index, character);
    }
  }
}

// Without arguments of templates and the namespaces around it.
std::string_view class_name(std::string_view type) {
  std::size_t begin = 0;
  std::size_t end = type.size();
  at_depth_zero(type, [&](std::size_t index, char character) {
    if (character == ':') {
      begin = index + 1;
      end = type.size();
    }
    if (character == '<' && end == type.size()) end = index;
  });
  return type.substr(begin, end - begin);
}

// "SocketAwaiter" without "Awaiter" is "socket"; "JoinChild" is "join child".
std::string in_words(std::string_view name, std::initializer_list<std::string_view> suffixes) {
  for (const std::string_view suffix : suffixes) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) name.remove_suffix(suffix.size());
  }
  std::string words;
  for (const char character : name) {
    const auto letter = static_cast<unsigned char>(character);
    if (std::isupper(letter) != 0 && !words.empty()) words += ' ';
    words += static_cast<char>(std::tolower(letter));
  }
  return words;
}

// How many bytes the character has that `text` begins with; 0 when it is none of UTF-8 (RFC 3629).
std::size_t character_size(std::string_view text) noexcept {
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first < 0xc2   ? 0
                           : first < 0xe0 ? 2
                           : first < 0xf0 ? 3
                           : first < 0xf5 ? 4
                                          : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t index = 1; index < size; ++index) {
    if ((byte(index) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool too_long = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool surrogate = first == 0xed && second >= 0xa0;
  const bool beyond = first == 0xf4 && second >= 0x90;
  return too_long || surrogate || beyond ? 0 : size;
}

template <class Write>
std::string each_character(std::string_view text, Write write) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (size == 0) {
      result += "\xef\xbf\xbd";  // U+FFFD
    } else {
      write(result, text.substr(0, size));
    }
    text.remove_prefix(std::max<std::size_t>(1, size));
  }
  return result;
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  return each_character(text, [](std::string& to, std::string_view part) { to += part; });
}

std::string printable(std::string_view text) {
  return each_character(text, [](std::string& to, std::string_view part) {
    const auto first = static_cast<unsigned char>(part.front());
    const auto last = static_cast<unsigned char>(part.back());
    const bool late_control = part.size() == 2 && first == 0xc2 && last < 0xa0;
    if (first < 0x20 || first == 0x7f || late_control) {
      to += fmt::format("\\x{:02x}", last);
    } else {
      to += part;
    }
  });
}

std::string brief_name(std::string_view function) {
  const std::string name = short_name(function);
  constexpr std::size_t long_enough = 60;
  if (name.size() <= long_enough) return name;
  std::string brief;
  int depth = 0;
  for (std::size_t index = 0; index < name.size(); ++index) {
    const char character = name[index];
    const std::string_view before = std::string_view(name).substr(0, index);
    const bool arguments = character == '<' && !before.ends_with(':') &&  // "::<lambda()>"
                           !before.ends_with("operator") && !before.ends_with("operator<");
    const bool arrow = before.ends_with('-') || before.ends_with("operator");
    if (depth == 0 && arguments && index > 0) brief += "<…>";
    if (arguments || (depth > 0 && character == '<')) ++depth;
    if (depth == 0) brief += character;
    if (character == '>' && !arrow && depth > 0) --depth;
  }
  return depth == 0 ? brief : name;
}

bool is_plumbing(const StackFrame& call) {
  const std::string name = short_name(call.function);
  for (const std::string_view space : {"clearway::", "std::", "__gnu_cxx::"}) {
    if (name.starts_with(space)) return true;
  }
  for (const std::string_view folder :
       {"/c++/", "clearway/base/", "clearway/loop/", "clearway/task/", "clearway/fiber"}) {
    if (call.at.file.find(folder) != std::string::npos) return true;
  }
  return false;
}

std::string demangled(const char* symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(symbol, nullptr, nullptr, &status), std::free);
  return text == nullptr ? symbol : text.get();
}

// The word before the virtual functions is the type_info, and its second word the name (Itanium C++
// ABI, 2.5.2 and 2.9.4).
std::string type_name(Memory& memory, Address object) {
  const Address functions = memory.pointer(object);
  if (functions == 0) return "";
  const Address information = memory.pointer(functions - sizeof(Address));
  std::string name = memory.text(memory.pointer(information + sizeof(Address)));
  if (!name.empty() && name.front() == '*') name.erase(0, 1);
  return name.empty() ? "" : demangled(name.c_str());
}

std::string short_awaiter_name(std::string_view type) {
  return in_words(class_name(type), {"Awaiter", "Waiter", "Operation"});
}

std::string short_driver_name(std::string_view type) {
  return in_words(class_name(type), {"Driver"});
}

std::string_view file_name(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string short_name(std::string_view function) {
  if (const auto with = function.find(" [with "); with != std::string_view::npos) {
    function = function.substr(0, with);
  }
  if (function.ends_with("]") && function.find(" [") != std::string_view::npos) {
    function = function.substr(0, function.rfind(" ["));  // clang's "[T = int]"
  }
  std::size_t parameters = function.size();
  std::size_t name = 0;
  at_depth_zero(function, [&](std::size_t index, char character) {
    const bool call_operator = function.substr(0, index).ends_with("operator");
    if (character == '(' && !call_operator) parameters = index;
    if (character == ' ' && function.substr(0, index).find("operator") == std::string_view::npos) {
      name = index + 1;
    }
  });
  if (!function.ends_with(")") && !function.ends_with("const")) parameters = function.size();
  if (parameters <= name) return std::string(function);
  std::string text(function.substr(name, parameters - name));
  while (!text.empty() && (text.front() == '*' || text.front() == '&')) text.erase(0, 1);
  constexpr std::string_view nameless = "{anonymous}::";
  constexpr std::string_view clangs = "(anonymous namespace)::";
  for (const std::string_view part : {nameless, clangs}) {
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part)) {
      text.erase(at, part.size());
    }
  }
  return text;
}

}  // namespace clearway::inspect
