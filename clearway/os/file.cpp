#include <clearway/os/file.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <clearway/os/at_once.hpp>
#include <clearway/os/file_calls.hpp>
#include <clearway/task/to_thread.hpp>

namespace clearway {
namespace {

std::string_view advice(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      return "; make room, or write elsewhere";
    case EMFILE:
      return "; close files, or raise the limit (`ulimit -n`)";
    case EROFS:
      return "; it is mounted read-only";
    case ENOENT:
      return "; is the path right, from the directory that the program runs in?";
    default:
      return "";
  }
}

void write_new(const std::string& path, int flags, const std::string& data) {
  Descriptor file = detail::open_file(path, flags, "write");
  detail::write_bytes(file.get(), path, -1, data);
  detail::close_file(std::move(file), path);
}

DirectoryEntry::Kind kind_of(const std::string& directory, const dirent& entry) {
  using Kind = DirectoryEntry::Kind;
  switch (entry.d_type) {
    case DT_REG:
      return Kind::file;
    case DT_DIR:
      return Kind::directory;
    case DT_LNK:
      return Kind::link;
    case DT_UNKNOWN:
      break;  // not every file system tells
    default:
      return Kind::other;
  }
  struct stat status{};
  const std::string path = directory + "/" + static_cast<const char*>(entry.d_name);
  if (::lstat(path.c_str(), &status) != 0) return Kind::other;
  if (S_ISREG(status.st_mode)) return Kind::file;
  if (S_ISDIR(status.st_mode)) return Kind::directory;
  return S_ISLNK(status.st_mode) ? Kind::link : Kind::other;
}

std::vector<DirectoryEntry> list_names(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (directory == nullptr) throw FileError("list", path, errno);
  std::vector<DirectoryEntry> entries;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string_view name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") entries.emplace_back(std::string(name), kind_of(path, *entry));
  }
  if (errno != 0) throw FileError("list", path, errno);
  std::sort(entries.begin(), entries.end(),
            [](const auto& left, const auto& right) { return left.name < right.name; });
  return entries;
}

int flags_of(File::Mode mode) {
  switch (mode) {
    case File::Mode::read:
      return O_RDONLY;
    case File::Mode::read_at_once:
      return O_RDONLY | O_NONBLOCK;
    case File::Mode::write:
      return O_WRONLY | O_CREAT | O_TRUNC;
    case File::Mode::append:
      return O_WRONLY | O_CREAT | O_APPEND;
    case File::Mode::update:
      break;
  }
  return O_RDWR | O_CREAT;
}

}  // namespace

FileError::FileError(std::string_view verb, const std::string& path, int code,
                     std::string_view more)
    : Error(fmt::format("cannot {} \"{}\": {}{}{}", verb, path, system_message(code), more,
                        advice(code))),
      path_(path),
      code_(code) {}
FileError::~FileError() = default;

Task<std::string> read_file(std::string path, std::size_t limit) {
  const auto read = [&] { return detail::read_whole_file_at_once(path, limit); };
  std::optional<std::string> content = co_await detail::AtOnce(read);
  if (content) co_return std::move(*content);
  co_return co_await to_thread(detail::read_whole_file, std::move(path), limit);
}

Task<> write_file(std::string path, std::string data) {
  co_await to_thread(write_new, std::move(path), O_WRONLY | O_CREAT | O_TRUNC, std::move(data));
}

Task<> append_file(std::string path, std::string data) {
  co_await to_thread(write_new, std::move(path), O_WRONLY | O_CREAT | O_APPEND, std::move(data));
}

Task<> replace_file(std::string path, std::string data) {
  co_await to_thread(detail::replace_whole_file, std::move(path), std::move(data));
}

Task<std::vector<DirectoryEntry>> list_directory(std::string path) {
  co_return co_await to_thread(list_names, std::move(path));
}

// Marks the file as in use while one operation is under way.
class File::Busy {
 public:
  Busy(File& file, std::string_view verb) : file_(file) {
    if (!file.is_open()) throw FileError(verb, file.path_, EBADF, " (the file is closed)");
    if (file.busy_) {
      throw UsageError(fmt::format(
          "two operations on the file \"{}\" at once: let one task do it, or guard it with a Lock",
          file.path_));
    }
    file.busy_ = true;
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { file_.busy_ = false; }

 private:
  File& file_;
};

Task<File> File::open(std::string path, Mode mode) {
  const bool reads = mode == Mode::read || mode == Mode::read_at_once;
  Descriptor file = co_await to_thread(detail::open_file, path, flags_of(mode),
                                       std::string_view(reads ? "read" : "write"));
  co_return File(std::move(file), std::move(path));
}

std::string_view File::buffered() const noexcept {
  return std::string_view(buffer_).substr(begin_);
}

Task<std::size_t> File::fill() {
  constexpr std::size_t chunk = 64 * 1024;
  buffer_.erase(0, std::exchange(begin_, 0));
  const auto read = [&] { return detail::read_bytes_at_once(descriptor_.get(), -1, chunk, false); };
  std::optional<std::string> more = co_await detail::AtOnce(read);
  if (!more) {
    more = co_await to_thread(detail::read_bytes, descriptor_.get(), path_, -1, chunk, false);
  }
  buffer_ += *more;
  co_return more->size();
}

Task<std::optional<std::string>> File::read_some(std::size_t most) {
  const Busy busy(*this, "read");
  if (buffered().empty()) {
    const std::size_t count = co_await fill();
    if (count == 0) co_return std::nullopt;
  }
  std::string result(buffered().substr(0, most));
  begin_ += result.size();
  co_return result;
}

Task<std::optional<std::string>> File::read_line(std::size_t limit) {
  const Busy busy(*this, "read");
  std::size_t searched = 0;
  for (;;) {
    const std::string_view there = buffered();
    const std::size_t found = there.find('\n', searched);
    if (std::min(found, there.size()) > limit) {
      throw FileError("read", path_, EFBIG,
                      fmt::format(" (a line of more than the limit of {} bytes)", limit));
    }
    if (found != std::string_view::npos) {
      const bool has_return = found > 0 && there[found - 1] == '\r';
      std::string line(there.substr(0, found - (has_return ? 1 : 0)));
      begin_ += found + 1;
      co_return line;
    }
    searched = there.size();
    const std::size_t count = co_await fill();
    if (count > 0) continue;
    if (buffered().empty()) co_return std::nullopt;
    std::string last(buffered());
    begin_ = buffer_.size();
    co_return last;
  }
}

Task<std::string> File::read_at(std::uint64_t offset, std::size_t size) {
  const Busy busy(*this, "read");
  const auto from = static_cast<std::int64_t>(offset);
  const auto read = [&] { return detail::read_bytes_at_once(descriptor_.get(), from, size, true); };
  std::optional<std::string> bytes = co_await detail::AtOnce(read);
  if (bytes) co_return std::move(*bytes);
  co_return co_await to_thread(detail::read_bytes, descriptor_.get(), path_,
                               static_cast<std::int64_t>(offset), size, true);
}

Task<> File::write(std::string data) {
  const Busy busy(*this, "write");
  if (const std::size_t ahead = buffered().size(); ahead > 0) {
    // What was read ahead has moved the kernel's position past the program's.
    co_await to_thread(detail::step_back, descriptor_.get(), path_, ahead);
    buffer_.clear();
    begin_ = 0;
  }
  co_await to_thread(detail::write_bytes, descriptor_.get(), path_, -1, std::move(data));
}

Task<> File::write_at(std::uint64_t offset, std::string data) {
  const Busy busy(*this, "write");
  co_await to_thread(detail::write_bytes, descriptor_.get(), path_,
                     static_cast<std::int64_t>(offset), std::move(data));
}

Task<> File::seek(std::uint64_t offset) {
  const Busy busy(*this, "seek in");
  buffer_.clear();
  begin_ = 0;
  if (::lseek(descriptor_.get(), static_cast<off_t>(offset), SEEK_SET) < 0) {
    throw FileError("seek in", path_, errno);
  }
  co_return;
}

Task<std::uint64_t> File::size() {
  const Busy busy(*this, "ask the size of");
  co_return co_await to_thread(detail::size_of_file, descriptor_.get(), path_);
}

Task<> File::resize(std::uint64_t size) {
  const Busy busy(*this, "resize");
  co_await to_thread(detail::resize_file, descriptor_.get(), path_, size);
}

Task<> File::sync() {
  const Busy busy(*this, "bring to the disk");
  co_await to_thread(detail::sync_file, descriptor_.get(), path_);
}

Task<> File::close() {
  if (!is_open()) co_return;
  const Busy busy(*this, "close");
  co_await to_thread(detail::close_file, std::move(descriptor_), path_);
}

}  // namespace clearway
