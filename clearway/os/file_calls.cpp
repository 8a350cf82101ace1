#include <clearway/os/file_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <clearway/os/file.hpp>

namespace clearway::detail {
namespace {

constexpr mode_t new_file_mode = 0666;  // less the umask

// The directory that holds `path`; new names in it are on the disk once it has been synced.
std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Where a chain of symbolic links ends: the file that replacing must replace, not the link.
std::string resolve_links(const std::string& path) {
  char* const resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return path;
  std::string result = resolved;
  std::free(resolved);
  return result;
}

// A file that is removed again unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& beside) : path_(beside + ".XXXXXX") {
    file_ = Descriptor(::mkostemp(path_.data(), O_CLOEXEC));
    if (!file_.valid()) throw FileError("write beside", beside, errno);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!kept_) ::unlink(path_.c_str());
  }
  [[nodiscard]] int descriptor() const noexcept { return file_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  void rename_to(const std::string& target) {
    close_file(std::move(file_), path_);
    if (::rename(path_.c_str(), target.c_str()) != 0) throw FileError("replace", target, errno);
    kept_ = true;
  }

 private:
  std::string path_;
  Descriptor file_;
  bool kept_ = false;
};

mode_t mode_for_replacement(const std::string& target) {
  struct stat old{};
  if (::stat(target.c_str(), &old) == 0) return old.st_mode & 07777;
  // umask() can only be read by setting it, which all other threads would see.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("Umask:")) continue;
    return new_file_mode & ~static_cast<mode_t>(std::strtoul(line.c_str() + 6, nullptr, 8));
  }
  return 0600;
}

}  // namespace

Descriptor open_file(const std::string& path, int flags, std::string_view verb) {
  if (path.find('\0') != std::string::npos) throw FileError(verb, path, EINVAL);
  for (;;) {
    Descriptor file(::open(path.c_str(), flags | O_CLOEXEC, new_file_mode));
    if (file.valid()) return file;
    if (errno != EINTR) throw FileError(verb, path, errno);
  }
}

std::string read_bytes(int descriptor, const std::string& path, std::int64_t offset,
                       std::size_t size, bool whole) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    char* const into = bytes.data() + done;
    const ssize_t count = offset < 0 ? ::read(descriptor, into, size - done)
                                     : ::pread(descriptor, into, size - done,
                                               offset + static_cast<std::int64_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw FileError("read", path, errno);
    done += static_cast<std::size_t>(count);
    if (count == 0 || !whole) break;
  }
  bytes.resize(done);
  return bytes;
}

void write_bytes(int descriptor, const std::string& path, std::int64_t offset,
                 std::string_view data) {
  std::size_t done = 0;
  while (done < data.size()) {
    const char* const from = data.data() + done;
    const std::size_t left = data.size() - done;
    const ssize_t count =
        offset < 0 ? ::write(descriptor, from, left)
                   : ::pwrite(descriptor, from, left, offset + static_cast<std::int64_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      throw FileError("write", path, errno,
                      fmt::format(" ({} of {} bytes were written)", done, data.size()));
    }
    done += static_cast<std::size_t>(count);
  }
}

void sync_file(int descriptor, const std::string& path) {
  // What cannot be synced (a pipe, a device) has nothing to bring to a disk.
  if (::fsync(descriptor) != 0 && errno != EINVAL && errno != EROFS) {
    throw FileError("bring to the disk", path, errno);
  }
}

void close_file(Descriptor descriptor, const std::string& path) {
  // On Linux the descriptor is gone whatever close() says.
  if (::close(descriptor.release()) != 0 && errno != EINTR) {
    throw FileError("finish writing", path, errno);
  }
}

void step_back(int descriptor, const std::string& path, std::size_t count) {
  if (::lseek(descriptor, -static_cast<off_t>(count), SEEK_CUR) < 0) {
    throw FileError("seek in", path, errno);
  }
}

std::uint64_t size_of_file(int descriptor, const std::string& path) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) throw FileError("ask the size of", path, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

void resize_file(int descriptor, const std::string& path, std::uint64_t size) {
  if (::ftruncate(descriptor, static_cast<off_t>(size)) != 0) {
    throw FileError("resize", path, errno);
  }
}

std::string read_whole_file(const std::string& path, std::size_t limit) {
  const Descriptor file = open_file(path, O_RDONLY, "read");
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) throw FileError("read", path, errno);
  if (S_ISDIR(status.st_mode)) throw FileError("read", path, EISDIR);
  // Files that are made as they are read (/proc) say that they are empty, and others may grow.
  std::string content;
  std::size_t next = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0)) + 1;
  for (;;) {
    const std::size_t left = limit - content.size();
    next = std::max<std::size_t>(next, 4096);
    if (left < next) next = left + 1;
    std::string piece = read_bytes(file.get(), path, -1, next, true);
    const bool ended = piece.size() < next;
    content = content.empty() ? std::move(piece) : content + piece;
    if (content.size() > limit) {
      throw FileError("read", path, EFBIG,
                      fmt::format(" (more than the limit of {} bytes)", limit));
    }
    if (ended) return content;
    next = content.size();
  }
}

std::optional<std::string> read_bytes_at_once(int descriptor, std::int64_t offset, std::size_t size,
                                              bool whole) {
  if (size == 0 || size > most_at_once) return std::nullopt;
  std::string bytes(size, '\0');
  const iovec piece{bytes.data(), size};
  const ssize_t count = ::preadv2(descriptor, &piece, 1, offset, RWF_NOWAIT);
  if (count < 0) return std::nullopt;
  const auto done = static_cast<std::size_t>(count);
  // Fewer bytes: the end of the file, or of what is in memory.
  if (done > 0 && done < size && whole) {
    char byte = 0;
    const iovec next{&byte, 1};
    if (::preadv2(descriptor, &next, 1, offset + count, RWF_NOWAIT) != 0) return std::nullopt;
  }
  bytes.resize(done);
  return bytes;
}

std::optional<std::string> read_whole_file_at_once(const std::string& path, std::size_t limit) {
  if (path.find('\0') != std::string::npos) return std::nullopt;
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_CACHED;  // or EAGAIN, when the name would have to be read from a disk
  const Descriptor place(
      static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  struct stat status{};
  // Pipes and devices are not even opened here: that alone is an event for others.
  if (!place.valid() || ::fstat(place.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  // The name is known now. Who has put something else there meanwhile cannot make us wait.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid() || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0 || size > std::min(limit, most_at_once)) return std::nullopt;
  auto bytes = read_bytes_at_once(file.get(), 0, size, false);
  if (bytes && bytes->size() < size) return std::nullopt;
  return bytes;
}

void replace_whole_file(const std::string& path, std::string_view data) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw FileError("replace", path, EINVAL);
  }
  const std::string target = resolve_links(path);
  const std::string directory = directory_of(target);
  const Descriptor parent = open_file(directory, O_RDONLY | O_DIRECTORY, "open");
  TemporaryFile fresh(target);
  if (::fchmod(fresh.descriptor(), mode_for_replacement(target)) != 0) {
    throw FileError("set the permissions of", fresh.path(), errno);
  }
  write_bytes(fresh.descriptor(), target, -1, data);
  sync_file(fresh.descriptor(), target);
  fresh.rename_to(target);
  sync_file(parent.get(), directory);
}

}  // namespace clearway::detail
