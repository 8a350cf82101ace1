#pragma once

// Files. What the kernel has in memory is read at once; all other calls run in threads (to_thread),
// so that a slow disk stops nobody.
//
//   const std::string text = co_await read_file("orders.json");
//   co_await replace_file("orders.json", changed);   // all of it, or the old one stays
//
// Cancellation: a call that has reached the kernel is waited for and counts as done; one that has
// not begun is not made. Errors are FileError, with the path.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <clearway/base/descriptor.hpp>
#include <clearway/base/error.hpp>
#include <clearway/task/task.hpp>

namespace clearway {

// What was tried, on which path, why it failed, and what to do.
class FileError : public Error {
 public:
  // "cannot `verb` "`path`": text of `code``more`", and advice where there is any.
  FileError(std::string_view verb, const std::string& path, int code, std::string_view more = "");
  ~FileError() override;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // The errno value: ENOENT, ENOSPC, …
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  std::string path_;
  int code_;
};

// All of a file; FileError with EFBIG when it is longer than `limit` bytes.
Task<std::string> read_file(std::string path, std::size_t limit = std::size_t{1} << 30);
// Creates the file or cuts it to `data`. When it fails in the middle, what is there is there.
Task<> write_file(std::string path, std::string data);
// Adds to the end of the file, creating it.
Task<> append_file(std::string path, std::string data);
// Atomic: readers, and whoever comes after a crash, see the old content or the new one. Written
// beside it, brought to the disk, then renamed; the permissions of an old file are kept. When it
// fails the old file is as it was.
Task<> replace_file(std::string path, std::string data);

struct DirectoryEntry {
  enum class Kind { file, directory, link, other };
  DirectoryEntry(std::string name, Kind kind) : name(std::move(name)), kind(kind) {}
  std::string name;
  Kind kind;
};
// What is in a directory, sorted by name, without "." and "..".
Task<std::vector<DirectoryEntry>> list_directory(std::string path);

// An open file.
//
// One operation at a time; a second one is a UsageError.
class File {
 public:
  enum class Mode {
    read,
    read_at_once,  // a FIFO is opened without waiting for somebody who writes to it
    write,         // created, or cut to nothing
    append,        // created; every write goes to the end
    update,        // read and write, created
  };
  // A file that is closed.
  File() noexcept = default;
  static Task<File> open(std::string path, Mode mode = Mode::read);

  // The next bytes, at most `most`; nullopt at the end.
  Task<std::optional<std::string>> read_some(std::size_t most = 64 * 1024);
  // The next line without its end, "\n" or "\r\n"; nullopt at the end. FileError with EFBIG when it
  // is longer than `limit` bytes; they stay where they are.
  Task<std::optional<std::string>> read_line(std::size_t limit = 64 * 1024);
  // `size` bytes from `offset` on, fewer at the end of the file; the position stays.
  Task<std::string> read_at(std::uint64_t offset, std::size_t size);
  // All of `data` at the position.
  Task<> write(std::string data);
  Task<> write_at(std::uint64_t offset, std::string data);
  // Sets the position for reads and writes.
  Task<> seek(std::uint64_t offset);
  Task<std::uint64_t> size();
  // Cuts the file, or fills it with zeros, to `size` bytes.
  Task<> resize(std::uint64_t size);
  // Waits until the disk has it.
  Task<> sync();
  // Closes, and tells of errors that only show then (network file systems). The destructor closes
  // too, and cannot tell.
  Task<> close();

  [[nodiscard]] bool is_open() const noexcept { return descriptor_.valid(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

 private:
  File(Descriptor descriptor, std::string path) noexcept
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}
  class Busy;

  std::string_view buffered() const noexcept;
  // Reads the next bytes into the buffer; gives their count.
  Task<std::size_t> fill();

  Descriptor descriptor_;
  std::string path_;
  std::string buffer_;  // read and not consumed: the position of the program is before it
  std::size_t begin_ = 0;
  bool busy_ = false;
};

}  // namespace clearway
