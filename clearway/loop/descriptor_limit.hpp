#pragma once

// How many descriptors the process may have open, and what to say when there are no more.

#include <cstdint>
#include <string>

namespace clearway {

// The two values of RLIMIT_NOFILE: the one in force, and how far the process itself may raise it.
struct DescriptorLimit {
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

// The limit as it is now; zeros when the kernel does not say.
[[nodiscard]] DescriptorLimit descriptor_limit() noexcept;

// Raises the soft limit to the hard one, since the usual 1024 is for programs that call select().
// Children inherit it. Does nothing when the kernel refuses.
void raise_descriptor_limit() noexcept;

// For errno values that mean "no more descriptors" (EMFILE, ENFILE): which limit it was and how to
// raise it, as the end of an error's sentence; empty for every other value.
[[nodiscard]] std::string descriptor_limit_hint(int code);

}  // namespace clearway
