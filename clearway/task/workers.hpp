#pragma once

#include <cstddef>
#include <functional>

#include <clearway/task/task.hpp>

namespace clearway {

// One of several loops that do the same.
struct Worker {
  std::size_t index = 0;
  std::size_t count = 1;
};

// Runs `main(worker)` on `count` new threads, each with a loop of its own, and waits for all.
//
//   Task<> amain() {
//     co_await run_workers(4, [](Worker) -> Task<> {
//       http::App app = make_app();
//       co_await serve(app, "tcp:8080", {.reuse_port = true});   // the kernel deals connections
//       out
//     });
//   }
//
// The first error of a worker cancels the others and is thrown when all have ended; a cancellation
// of this call (Ctrl-C in run_main()) cancels them all and waits. `main` is called on several
// threads: what it refers to must bear that. In a simulated world the workers are tasks of its one
// loop. A count of 0 means one for each processor. Throws SystemError when a thread cannot be made.
Task<> run_workers(std::size_t count, std::function<Task<>(Worker)> main);

}  // namespace clearway
