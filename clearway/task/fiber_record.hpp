#pragma once

// What inspectors find of a fiber (clearway/fiber): the completion that its frame's parent link
// leads to, when its class is clearway::detail::Fiber.

#include <cstddef>

#include <poll.h>
#include <clearway/task/promise.hpp>

namespace clearway {

struct FiberRecord : Completion {
  // While it waits: where its registers are, on its own stack, whose high end is at this record.
  // While it runs: an address on another stack.
  void* context = nullptr;
  // The blocking call that it waits in, and the descriptors that the call waits for; null when it
  // waits for a task.
  const char* call = nullptr;
  const pollfd* descriptors = nullptr;
  std::size_t descriptor_count = 0;

 protected:
  ~FiberRecord() = default;
};

}  // namespace clearway
