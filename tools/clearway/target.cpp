#include "target.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <signal.h>
#include <clearway/base/error.hpp>
#include <clearway/inspect/names.hpp>

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
  return fmt::format("process {} ({})", process, inspect::printable(name_of(process)));
}

// It was there when this command began.
[[noreturn]] void throw_ended(pid_t process) {
  throw Error(fmt::format("process {} has ended while it was read", process));
}

// Nobody knows such a thread any more, or it waits to be asked how it has ended.
bool has_ended(pid_t thread) {
  const std::string state = first_line(fmt::format("/proc/{}/stat", thread));
  const std::size_t name_end = state.rfind(')');
  return name_end == std::string::npos || state.compare(name_end, 4, ") Z ") == 0 ||
         state.compare(name_end, 4, ") X ") == 0;
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
  std::string access;
  std::string file;  // its device and inode
};

std::vector<Mapping> mappings_of(pid_t thread) {
  std::ifstream file(fmt::format("/proc/{}/maps", thread));
  std::vector<Mapping> mappings;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Mapping mapping;
    char dash = 0;
    std::string offset;
    std::string device;
    std::string inode;
    words >> std::hex >> mapping.begin >> dash >> mapping.end >> mapping.access >> offset >>
        device >> inode;
    if (!words) continue;
    if (inode != "0") mapping.file = device + " " + inode;
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

// The initialised variables of the program and of its libraries, of which one is the root: private
// writable mappings of files of which code is mapped too. So nothing depends on symbols, and
// nothing on files that are in another container or have been replaced since. To read a page is to
// bring it into the memory of the process: data that it has mapped stays untouched.
std::vector<Mapping> variables(const std::vector<Mapping>& all) {
  constexpr inspect::Address largest = inspect::Address{256} << 20;
  std::set<std::string> with_code;
  for (const Mapping& mapping : all) {
    if (mapping.access.find('x') != std::string::npos) with_code.insert(mapping.file);
  }
  std::vector<Mapping> found;
  for (const Mapping& mapping : all) {
    const bool private_and_writable =
        mapping.access.starts_with("rw") && mapping.access.ends_with("p");
    if (private_and_writable && !mapping.file.empty() && with_code.contains(mapping.file) &&
        mapping.end - mapping.begin <= largest) {
      found.push_back(mapping);
    }
  }
  return found;
}

[[noreturn]] void throw_no_memory(pid_t process) {
  const std::string state = first_line(fmt::format("/proc/{}/stat", process));
  if (state.empty()) throw_ended(process);
  if (has_ended(process)) {
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
    memory.forget();
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

// When main's thread has ended, the others run on and it has no memory any more.
pid_t readable_thread(pid_t process) {
  if (::kill(process, 0) != 0 && errno == ESRCH) {
    throw Error(fmt::format("there is no process {}", process));
  }
  if (!has_ended(process)) return process;
  std::error_code error;
  const std::filesystem::path threads = fmt::format("/proc/{}/task", process);
  for (const auto& entry : std::filesystem::directory_iterator(threads, error)) {
    const pid_t thread = std::stoi(entry.path().filename());
    if (!has_ended(thread)) return thread;
  }
  return process;
}

std::string name_of(pid_t process) { return first_line(fmt::format("/proc/{}/comm", process)); }

Root find_root(Memory& memory, pid_t process) {
  const std::vector<Mapping> mappings = mappings_of(memory.process());
  if (mappings.empty()) throw_no_memory(process);
  Root root{};
  for (const Mapping& mapping : variables(mappings)) {
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
  check_alive(memory, process);
  if (memory.failure() == EPERM || memory.failure() == EACCES) throw_forbidden(process);
  throw Error(
      fmt::format("{} is no program of Clearway, or does not link clearway::inspect (whoever links "
                  "clearway::http does)",
                  described(process)));
}

void check_alive(const Memory& memory, pid_t process) {
  if (memory.failure() == ESRCH || has_ended(memory.process())) throw_ended(process);
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
