#include "target_files.hpp"

#include <filesystem>
#include <fstream>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace clearway::tool {
namespace {

// Devices are mapped too, and to open one may do something.
int open_regular(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return -1;
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
}

// "7f00-7f80", as the kernel calls the mapping that begins there.
std::string range(pid_t process, unsigned long begin) {
  std::ifstream maps(fmt::format("/proc/{}/maps", process));
  const std::string wanted = fmt::format("{:x}-", begin);
  for (std::string line; std::getline(maps, line);) {
    const std::size_t digits = line.find_first_not_of('0');
    if (digits != std::string::npos && line.compare(digits, wanted.size(), wanted) == 0) {
      return line.substr(digits, line.find(' ') - digits);
    }
  }
  return "";
}

}  // namespace

int open_mapped_file(pid_t process, unsigned long begin, const std::string& name,
                     std::string& path) {
  std::error_code error;
  const auto link = [&](const std::string& of) { return std::filesystem::read_symlink(of, error); };
  int file = -1;
  if (name.ends_with(" (deleted)")) {
    path = fmt::format("/proc/{}/exe", process);
    if (link(path) == name) file = open_regular(path);
  } else {
    // The name is as in the other's mount namespace, where the same name may be another file.
    const bool same = link(fmt::format("/proc/{}/ns/mnt", process)) == link("/proc/self/ns/mnt");
    path = same ? name : fmt::format("/proc/{}/root{}", process, name);
    file = open_regular(path);
  }
  if (file >= 0) return file;
  path = fmt::format("/proc/{}/map_files/{}", process, range(process, begin));
  return open_regular(path);
}

}  // namespace clearway::tool
