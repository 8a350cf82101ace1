#include <clearway/os/process_plan.hpp>

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>
#include <clearway/os/process.hpp>

namespace clearway::detail {
namespace {

// posix_spawn's lists, freed at the end.
class SpawnActions {
 public:
  SpawnActions() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

struct Pipe {
  Pipe() = default;
  Descriptor read;
  Descriptor write;
};

Pipe make_pipe(const std::string& name) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw ProcessError(fmt::format("cannot start \"{}\": no pipe: {}", name, system_message(errno)),
                       errno);
  }
  Pipe pipe;
  pipe.read = Descriptor(ends[0]);
  pipe.write = Descriptor(ends[1]);
  return pipe;
}

// A child starts with the signals as they are by default, whatever this program has made of them.
void set_attributes(SpawnActions& spawn, const ProcessPlan& plan) {
  sigset_t signals;
  ::sigfillset(&signals);
  ::posix_spawnattr_setsigdefault(&spawn.attributes, &signals);
  ::sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&spawn.attributes, &signals);
  short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  if (plan.group) {
    ::posix_spawnattr_setpgroup(&spawn.attributes, 0);
    flags |= POSIX_SPAWN_SETPGROUP;
  }
  ::posix_spawnattr_setflags(&spawn.attributes, flags);
  if (!plan.directory.empty()) {
    ::posix_spawn_file_actions_addchdir_np(&spawn.actions, plan.directory.c_str());
  }
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

[[noreturn]] void fail(const ProcessPlan& plan, int code) {
  struct stat status{};
  std::string why = system_message(code);
  if (!plan.directory.empty() && ::stat(plan.directory.c_str(), &status) != 0) {
    why = fmt::format("its directory \"{}\": {}", plan.directory, system_message(errno));
  } else if (code == ENOENT) {
    why += plan.line.front().find('/') == std::string::npos ? "; is it installed, and in PATH?"
                                                            : "; is the path right?";
  } else if (code == EACCES) {
    why += "; is it a program, and may it be run?";
  }
  throw ProcessError(fmt::format("cannot start \"{}\": {}", plan.line.front(), why), code);
}

}  // namespace

SpawnedProcess spawn(const ProcessPlan& plan) {
  for (const std::string& word : plan.line) {
    if (word.find('\0') != std::string::npos) fail(plan, EINVAL);
  }
  SpawnActions spawn;
  set_attributes(spawn, plan);
  Pipe input;
  Pipe output;
  Pipe errors;
  if (plan.input) {
    input = make_pipe(plan.name);
    ::posix_spawn_file_actions_adddup2(&spawn.actions, input.read.get(), STDIN_FILENO);
  }
  if (plan.output) {
    output = make_pipe(plan.name);
    errors = make_pipe(plan.name);
    ::posix_spawn_file_actions_adddup2(&spawn.actions, output.write.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&spawn.actions, errors.write.get(), STDERR_FILENO);
  }
  SpawnedProcess child;
  const int code =
      ::posix_spawnp(&child.pid, plan.line.front().c_str(), &spawn.actions, &spawn.attributes,
                     pointers(plan.line).data(), pointers(plan.environment).data());
  if (code != 0) fail(plan, code);
  child.input = std::move(input.write);
  child.output = std::move(output.read);
  child.errors = std::move(errors.read);
  return child;
}

std::vector<std::string> make_environment(bool own,
                                          const std::map<std::string, std::string>& variables) {
  std::vector<std::string> result;
  for (char** entry = ::environ; own && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!variables.contains(std::string(text.substr(0, text.find('='))))) {
      result.emplace_back(text);
    }
  }
  for (const auto& [name, value] : variables) result.push_back(fmt::format("{}={}", name, value));
  return result;
}

}  // namespace clearway::detail
