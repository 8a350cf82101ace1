#pragma once

// Listening sockets that another program has opened and handed over: systemd's socket activation
// (sd_listen_fds(3)), and descriptors of any other parent.

#include <optional>
#include <string>
#include <string_view>

#include <clearway/net/listener.hpp>

namespace clearway::detail {

// Where a socket that systemd passed is, or why it is not there.
struct InheritedDescriptor {
  InheritedDescriptor() = default;
  int descriptor = -1;
  std::string problem;
};

// By its place among those that were passed, or by the name that its unit gives it
// (FileDescriptorName=). What systemd says is for this process only, and only where it says so
// (LISTEN_PID).
InheritedDescriptor passed_by_systemd(std::optional<std::size_t> index, const std::string& name);

// Why `descriptor` is no listening stream socket of this family; empty when it is one.
std::string why_not_listening(int descriptor, int family);

// Listens on a duplicate of it: the descriptor itself stays open, for other loops.
Listener listen_inherited(int descriptor);

// AF_INET for "INET" and so on; nullopt for others.
std::optional<int> family_named(std::string_view name);

}  // namespace clearway::detail
