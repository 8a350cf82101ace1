#pragma once

// Parts of open files on their way to the network, without stopping the loop for a slow disk: what
// the kernel has in memory is taken at once, the rest is read in a thread. Private to net and http.

#include <cstdint>
#include <string>

#include <clearway/task/task.hpp>

namespace clearway::detail {

// How much of a file is seen to at once.
inline constexpr std::size_t file_window = 512 * 1024;

// At most `size` bytes from `offset` on; none at the end of the file. Throws SystemError.
Task<std::string> read_file_piece(int descriptor, std::uint64_t offset, std::size_t size);

// Has the kernel read what it has not in memory of this part, so that sendfile(2) does not wait.
// Looks at both ends of it only: files are read, and forgotten, in runs.
Task<> bring_into_memory(int descriptor, std::uint64_t offset, std::size_t size);

// Throws FileCutShort.
[[noreturn]] void throw_file_cut_short(const std::string& path, const std::string& peer,
                                       std::uint64_t sent, std::uint64_t length);

}  // namespace clearway::detail
