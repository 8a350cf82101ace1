#include "target.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <signal.h>
#include <clearway/base/error.hpp>

namespace clearway::tool {
namespace {

using inspect::Memory;
using inspect::Root;

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string described(pid_t process) {
  return fmt::format("process {} ({})", process, first_line(fmt::format("/proc/{}/comm", process)));
}

[[noreturn]] void throw_forbidden(pid_t process) {
  std::string text = fmt::format(
      "{} may not be read: it belongs to somebody else, or this system keeps processes "
      "from looking into others. Try it with sudo",
      described(process));
  const std::string scope = first_line("/proc/sys/kernel/yama/ptrace_scope");
  if (!scope.empty() && scope != "0") {
    text += fmt::format(
        "; kernel.yama.ptrace_scope is {} here, which allows {}: `sudo sysctl "
        "kernel.yama.ptrace_scope=0` lets users read their own processes until the next boot",
        scope, scope == "1" ? "parents and root only" : "root only, or nobody");
  }
  std::error_code error;
  if (std::filesystem::exists("/.dockerenv", error)) {
    text += "; a container needs --cap-add=SYS_PTRACE for that";
  }
  throw Error(text);
}

struct Mapping {
  inspect::Address begin = 0;
  inspect::Address end = 0;
};

// What was mapped of files and may be written: the initialised variables of the program and of its
// libraries, of which one is the root. So nothing depends on symbols, and nothing on files that are
// in another container or have been replaced since.
std::vector<Mapping> variables(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/maps", process));
  std::vector<Mapping> mappings;
  bool any = false;
  for (std::string line; std::getline(file, line);) {
    any = true;
    std::istringstream words(line);
    Mapping mapping;
    char dash = 0;
    std::string access;
    std::string offset;
    std::string device;
    std::uint64_t inode = 0;
    words >> std::hex >> mapping.begin >> dash >> mapping.end >> access >> offset >> device >>
        std::dec >> inode;
    if (words && access.starts_with("rw") && inode != 0) mappings.push_back(mapping);
  }
  if (any) return mappings;
  const std::string state = first_line(fmt::format("/proc/{}/stat", process));
  if (state.empty()) throw Error(fmt::format("there is no process {}", process));
  if (state.find(") Z ") != std::string::npos) {
    throw Error(fmt::format("{} has ended; its parent has not asked how", described(process)));
  }
  std::error_code error;
  static_cast<void>(std::filesystem::read_symlink(fmt::format("/proc/{}/exe", process), error));
  if (error == std::errc::permission_denied) throw_forbidden(process);
  throw Error(
      fmt::format("{} has no memory to read: it is part of the kernel", described(process)));
}

std::array<char, 16> magic() noexcept {
  std::array<char, 16> word{};
  for (std::size_t index = 0; index < word.size(); ++index) {
    word[index] = static_cast<char>(inspect::turned_magic[index] ^ 0xff);
  }
  return word;
}

// The root in a mapping; false when it is not there.
bool search(Memory& memory, const Mapping& mapping, Root& root) {
  constexpr std::size_t page = 4096;
  const std::array<char, 16> word = magic();
  std::array<char, page> bytes{};
  for (inspect::Address at = mapping.begin; at < mapping.end; at += page) {
    if (!memory.read(at, bytes.data(), bytes.size())) continue;
    for (std::size_t index = 0; index + sizeof(void*) <= page; index += sizeof(void*)) {
      if (std::memcmp(bytes.data() + index, word.data(), sizeof(void*)) != 0) continue;
      if (memory.read(at + index, &root, sizeof(Root)) && root.magic == word &&
          (root.version == 0 || reinterpret_cast<inspect::Address>(root.self) == at + index)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

Root find_root(Memory& memory) {
  const pid_t process = memory.process();
  if (::kill(process, 0) != 0 && errno == ESRCH) {
    throw Error(fmt::format("there is no process {}", process));
  }
  Root root{};
  for (const Mapping& mapping : variables(process)) {
    if (!search(memory, mapping, root)) continue;
    if (root.version == 0) {
      throw Error(fmt::format("{} is only just starting: try again", described(process)));
    }
    if (root.version != Root::current_version || root.size != sizeof(Root)) {
      throw Error(fmt::format(
          "{} shows its tasks in version {}, and this command knows version {}: use the `clearway` "
          "of the release that the program was built with",
          described(process), root.version, Root::current_version));
    }
    return root;
  }
  if (memory.failure() == EPERM || memory.failure() == EACCES) throw_forbidden(process);
  throw Error(
      fmt::format("{} is no program of Clearway, or does not link clearway::inspect (whoever links "
                  "clearway::http does)",
                  described(process)));
}

int thread_here(pid_t process, int thread) {
  std::error_code error;
  const std::filesystem::path threads = fmt::format("/proc/{}/task", process);
  for (const auto& entry : std::filesystem::directory_iterator(threads, error)) {
    std::ifstream status(entry.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("NSpid:")) continue;
      const std::size_t innermost = line.find_last_of("\t ");
      if (innermost != std::string::npos && line.substr(innermost + 1) == std::to_string(thread)) {
        return std::stoi(entry.path().filename());
      }
    }
  }
  return thread;
}

}  // namespace clearway::tool
