#pragma once

// Names of types and functions, short enough for people.

#include <string>
#include <string_view>

#include <clearway/inspect/memory.hpp>

namespace clearway::inspect {

// "clearway::detail::SleepAwaiter": the class of the object there, from its type information; ""
// when there is none.
std::string type_name(Memory& memory, Address object);
// A symbol as the source has it; what is no symbol of C++ stays as it is.
std::string demangled(const char* symbol);
// "clearway::net::detail::SocketAwaiter<int>" is "socket".
std::string short_awaiter_name(std::string_view type);
// "clearway::EpollDriver" is "epoll".
std::string short_driver_name(std::string_view type);
// What follows the last slash.
std::string_view file_name(std::string_view path) noexcept;

}  // namespace clearway::inspect
