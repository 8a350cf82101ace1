#pragma once

// A fiber that needs more than its stack runs into the guard below it. The handler of SIGSEGV says
// so, and where the fiber was started, before the program ends as it does without us.

namespace clearway::detail {

// For this thread: the handler needs a stack of its own. Does nothing more where there is one.
void watch_for_overflow();
// At the end of the thread.
void unwatch_for_overflow() noexcept;

}  // namespace clearway::detail
