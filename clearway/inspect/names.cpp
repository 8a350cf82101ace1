#include <clearway/inspect/names.hpp>

#include <cctype>
#include <cstdlib>
#include <memory>

#include <cxxabi.h>
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

}  // namespace

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
