#pragma once

// The system calls behind files, for threads: each carries on after interruptions and short
// transfers, and throws FileError.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <clearway/base/descriptor.hpp>

namespace clearway::detail {

Descriptor open_file(const std::string& path, int flags, std::string_view verb);
// At most `size` bytes, from the position, or from `offset` when that is not negative. Fewer only
// at the end of the file when `whole`, otherwise whenever the kernel gives fewer.
std::string read_bytes(int descriptor, const std::string& path, std::int64_t offset,
                       std::size_t size, bool whole);
// All of `data`, at the position, or at `offset` when that is not negative.
void write_bytes(int descriptor, const std::string& path, std::int64_t offset,
                 std::string_view data);
// Waits until the disk has it.
void sync_file(int descriptor, const std::string& path);
// Closes, and reports what only shows then.
void close_file(Descriptor descriptor, const std::string& path);
// Moves the position back by `count` bytes.
void step_back(int descriptor, const std::string& path, std::size_t count);
std::uint64_t size_of_file(int descriptor, const std::string& path);
void resize_file(int descriptor, const std::string& path, std::uint64_t size);
std::string read_whole_file(const std::string& path, std::size_t limit);

// The same from the kernel's memory, on the loop's own thread: nothing, and nothing happened, when
// that would have to wait for a disk or says what a thread says better.
inline constexpr std::size_t most_at_once = 128 * 1024;
std::optional<std::string> read_bytes_at_once(int descriptor, std::int64_t offset, std::size_t size,
                                              bool whole);
std::optional<std::string> read_whole_file_at_once(const std::string& path, std::size_t limit);
void replace_whole_file(const std::string& path, std::string_view data);

}  // namespace clearway::detail
