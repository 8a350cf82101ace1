// clearway: what the tasks of a running program wait for.
//
//   clearway pstree PID     a tree: which task waits for which, where, and since when
//   clearway ps PID         a line for each task
//
// The program is only read: nothing runs in it and nothing is stopped, so this works when its loop
// hangs.

#include <cerrno>
#include <cstdio>
#include <string>

#include <clearway/base/error.hpp>
#include <clearway/inspect/reader.hpp>
#include <clearway/inspect/snapshot.hpp>
#include <clearway/inspect/thread_activity.hpp>
#include <CLI/CLI.hpp>

#include "fiber_stacks.hpp"
#include "target.hpp"

namespace {

using namespace clearway;

struct Arguments {
  int process = 0;
  int attempts = 20;
  bool json = false;
  bool everything = false;
};

inspect::ProcessView read(const Arguments& arguments) {
  inspect::Memory memory(tool::readable_thread(arguments.process));
  const inspect::Root root = tool::find_root(memory, arguments.process);
  inspect::ReadOptions options;
  options.attempts = arguments.attempts;
  options.stacks = tool::FiberStacks::available;
  inspect::ProcessView view = inspect::read_process(memory, root, options);
  if (memory.failure() == ESRCH || view.loops.empty()) tool::check_alive(memory, arguments.process);
  view.process = arguments.process;
  view.name = tool::name_of(arguments.process);
  tool::FiberStacks(memory).fill(view);
  for (inspect::LoopView& loop : view.loops) {
    loop.thread = tool::thread_here(arguments.process, loop.thread);
    if (loop.busy) loop.activity = inspect::thread_activity(arguments.process, loop.thread);
  }
  return view;
}

CLI::App* add_command(CLI::App& app, const char* name, const char* help, Arguments& arguments) {
  CLI::App* const command = app.add_subcommand(name, help);
  command->add_option("PID", arguments.process, "the process")
      ->required()
      ->check(CLI::PositiveNumber);
  command->add_flag("--json", arguments.json, "for programs: everything that is known");
  command
      ->add_option("--retries", arguments.attempts,
                   "how often a loop is read that goes on meanwhile")
      ->check(CLI::Range(1, 1'000'000));
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What the tasks of a running program wait for. It is only read, and not stopped.",
               "clearway");
  Arguments arguments;
  CLI::App* const list = add_command(app, "ps", "a line for each task", arguments);
  CLI::App* const tree =
      add_command(app, "pstree", "which task waits for which, where, and since when", arguments);
  tree->add_flag("--all", arguments.everything, "tasks at the same place each on their own");
  app.require_subcommand(1);
  try {
    app.parse(argc, argv);
    const inspect::ProcessView view = read(arguments);
    inspect::TextOptions options;
    options.everything = arguments.everything;
    const std::string text = arguments.json   ? inspect::to_json(view)
                             : list->parsed() ? inspect::to_list(view)
                                              : inspect::to_tree(view, options);
    std::fputs(text.c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const Error& error) {
    std::fprintf(stderr, "clearway: %s\n", error.what());
    return 1;
  }
}
