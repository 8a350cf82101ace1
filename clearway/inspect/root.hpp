#pragma once

// What another process, or a debugger, has to know to read the tasks of this one from its memory:
// where the list of loops begins, and where in each object lies what it is looking for. The word
// `magic` finds it, in a stripped program too.
//
// Readers and programs may be of different releases: a reader that knows `version` can read
// whatever the program was compiled with.

#include <array>
#include <cstdint>

#include <clearway/loop/loop_record.hpp>

namespace clearway::inspect {

// Bytes from the beginning of an object; each group says of which.
struct Offsets {
  // LoopRecord
  std::uint32_t record_sequence, record_turn_began, record_callbacks, record_simulated,
      record_thread, record_loop, record_next;
  // Loop
  std::uint32_t loop_driver, loop_running, loop_main_frame, loop_root_scope, loop_ready;
  // Ready: the next in the queue, or since when it waits
  std::uint32_t ready_next;
  // CancelScope; the bits at `flags`: 3 for its kind, of which 3 is a child, then 4 called,
  // 8 cancelled, 16 shielded
  std::uint32_t scope_next, scope_parent, scope_children, scope_waiting, scope_flags;
  // Waiter: where its node in the scope's list is, where in that node the next is, its frame
  std::uint32_t waiter_node, waiter_node_next, waiter_frame;
  // A child of a group
  std::uint32_t child_scope, child_site, child_name, child_frame;
  // PromiseBase; and where it lies in a coroutine's frame
  std::uint32_t promise_parent, promise_scope, promise_origin, promise_awaiting, promise_in_frame;
  // Completion
  std::uint32_t completion_outer;
  // FiberRecord
  std::uint32_t fiber_context, fiber_call, fiber_descriptors, fiber_descriptor_count;
};

struct Root {
  static constexpr std::uint32_t current_version = 2;

  std::array<char, 16> magic;
  std::uint32_t version;  // 0 until the rest is there
  std::uint32_t size;
  const Root* self;
  LoopRecord* const* loops;
  // The first virtual function of what is in the ready queue, when it is a Waiter or a child.
  const void* waiter_run;
  const void* child_run;
  Offsets offsets;
};

// The word that finds it; here with its bits turned, so that only a Root holds it.
inline constexpr std::array<unsigned char, 16> turned_magic = {
    0x9c, 0x93, 0x9a, 0x9e, 0x8d, 0x88, 0x9e, 0x86, 0xff, 0xe3, 0x2b, 0x91, 0x17, 0x5d, 0xc4, 0xa6};

}  // namespace clearway::inspect

// For debuggers and for readers from outside.
extern "C" {
[[gnu::visibility("default")]] extern clearway::inspect::Root clearway_debug_root;
}
