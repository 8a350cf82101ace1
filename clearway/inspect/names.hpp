#pragma once

// Names of types and functions, short enough for people.

#include <string>
#include <string_view>

#include <clearway/inspect/memory.hpp>

namespace clearway::inspect {

struct StackFrame;

// "clearway::detail::SleepAwaiter": the class of the object there, from its type information; ""
// when there is none.
std::string type_name(Memory& memory, Address object);
// A symbol as the source has it; what is no symbol of C++ stays as it is.
std::string demangled(const char* symbol);
// "clearway::net::detail::SocketAwaiter<int>" is "socket".
std::string short_awaiter_name(std::string_view type);
// "clearway::EpollDriver" is "epoll".
std::string short_driver_name(std::string_view type);
// A function's name without its type and parameters, and where it is long without the arguments of
// templates: they fill lines and help nobody who has the line of the source.
std::string brief_name(std::string_view function);
// Bytes that are not UTF-8 become U+FFFD each: names come from the memory of a process.
std::string valid_utf8(std::string_view text);
// The same for a terminal: control characters become escapes as "\x1b".
std::string printable(std::string_view text);
// Of this library or of the standard library: what leads to a fiber's function and what takes its
// calls into the loop, where some functions have no namespace in the debug information.
bool is_plumbing(const StackFrame& call);
// What follows the last slash.
std::string_view file_name(std::string_view path) noexcept;

}  // namespace clearway::inspect
