#pragma once

namespace clearway::hooks {

// A nanosleep() of this thread is the self-test's, and whether it has come.
extern thread_local constinit bool probing;
extern thread_local constinit bool probed;

// Parts of the hooks that nothing else has: a sanitizer's runtime defines most of the functions
// too, weakly, and would keep ours in the archive.
extern const char connect_part;
extern const char close_part;
extern const char names_part;
extern const char mutex_part;
extern const char load_part;

// Null: calls of shared libraries reach the hooks. Otherwise what is wrong, and what to do.
const char* self_test();
// Looks up all of libc's functions now, when nobody is in a signal handler.
void resolve_all();
void resolve_queries();
void resolve_loading();

}  // namespace clearway::hooks
