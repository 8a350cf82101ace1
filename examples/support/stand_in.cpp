#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/base/error.hpp>
#include <clearway/fiber/blocking.hpp>

#include "program.hpp"

extern char** environ;

namespace example {
namespace {

std::string read_line(int descriptor) {
  std::string line;
  char next = 0;
  while (::read(descriptor, &next, 1) == 1 && next != '\n') line += next;
  return line;
}

}  // namespace

StandIn::StandIn(std::string& base_url) {
  if (!base_url.empty()) return;
  std::string program =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "stand_in").string();
  int ends[2];
  if (::pipe(ends) != 0) throw clearway::SystemError("cannot make a pipe", errno);
  const clearway::Descriptor output(ends[0]);
  clearway::Descriptor input(ends[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addclose(&actions, output.get());
  posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, input.get());
  // Ctrl-C is for the example, which then ends the server; --with-parent ends it with an example
  // that crashes.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  char with_parent[] = "--with-parent";
  char* arguments[] = {program.data(), with_parent, nullptr};
  const int error =
      ::posix_spawn(&process_, program.c_str(), &actions, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) throw clearway::SystemError("cannot start the bundled server " + program, error);
  input.reset();
  const clearway::fiber::AllowBlocking before_anything_else_runs;
  base_url = read_line(output.get());
  if (base_url.empty()) throw clearway::Error("the bundled server " + program + " did not start");
}

StandIn::~StandIn() {
  if (process_ < 0) return;
  const clearway::fiber::AllowBlocking for_a_moment;
  ::kill(process_, SIGTERM);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) continue;
}

}  // namespace example
