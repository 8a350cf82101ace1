// Files over streams.

#include <algorithm>
#include <cerrno>
#include <string>

#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>
#include <clearway/net/file_piece.hpp>
#include <clearway/net/stream.hpp>
#include <clearway/task/to_thread.hpp>

namespace clearway {

namespace detail {
namespace {

// One call that does not wait for the disk: -EAGAIN when it would have to.
std::int64_t read_resident(int descriptor, std::uint64_t offset, char* into, std::size_t size) {
  const iovec piece{into, size};
  const ssize_t count = ::preadv2(descriptor, &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  return count < 0 ? -errno : count;
}

std::string read_piece(int descriptor, std::uint64_t offset, std::size_t size) {
  std::string piece(size, '\0');
  ssize_t count = 0;
  do {
    count = ::pread(descriptor, piece.data(), size, static_cast<off_t>(offset));
  } while (count < 0 && errno == EINTR);
  if (count < 0) throw SystemError("cannot read a file that is sent", errno);
  piece.resize(static_cast<std::size_t>(count));
  return piece;
}

// Reads for the kernel's memory, not for ours.
void read_ahead(int descriptor, std::uint64_t offset, std::size_t size) {
  constexpr std::size_t most = 64 * 1024;
  for (std::size_t done = 0; done < size; done += most) {
    if (read_piece(descriptor, offset + done, std::min(most, size - done)).empty()) return;
  }
}

}  // namespace

Task<std::string> read_file_piece(int descriptor, std::uint64_t offset, std::size_t size) {
  std::string piece(size, '\0');
  const std::int64_t count = read_resident(descriptor, offset, piece.data(), size);
  if (count >= 0) {
    piece.resize(static_cast<std::size_t>(count));
    co_return piece;
  }
  co_return co_await to_thread(read_piece, descriptor, offset, size);
}

Task<> bring_into_memory(int descriptor, std::uint64_t offset, std::size_t size) {
  char byte = 0;
  // Not there, or on a file system that cannot say (EOPNOTSUPP).
  const bool first = read_resident(descriptor, offset, &byte, 1) < 0;
  if (first || read_resident(descriptor, offset + size - 1, &byte, 1) < 0) {
    co_await to_thread(read_ahead, descriptor, offset, size);
  }
}

void throw_file_cut_short(const std::string& path, const std::string& peer, std::uint64_t sent,
                          std::uint64_t length) {
  throw FileCutShort(
      fmt::format(
          "cannot send \"{}\" to {}: it ended after {} of {} bytes; it was cut while it was "
          "sent, so close the connection",
          path, peer, sent, length),
      sent);
}

}  // namespace detail

// Nobody else writes between the parts of a file.
class Stream::FileTurn {
 public:
  explicit FileTurn(Stream& stream) : stream_(stream) {
    if (stream.writing_ || stream.sending_file_) {
      throw UsageError(fmt::format(
          "two tasks write to the stream to {} at once: let one task do it, or guard it with a "
          "Lock",
          stream.peer_.to_string()));
    }
    stream.sending_file_ = true;
  }
  FileTurn(const FileTurn&) = delete;
  FileTurn& operator=(const FileTurn&) = delete;
  ~FileTurn() { stream_.sending_file_ = false; }

 private:
  Stream& stream_;
};

Task<> Stream::send_descriptor(int descriptor, std::string path, std::uint64_t offset,
                               std::uint64_t length) {
  if (descriptor < 0) {
    throw UsageError(fmt::format("send_file() needs an open file, and \"{}\" is closed", path));
  }
  const FileTurn turn(*this);
  bool copies = transport_ != nullptr;
  std::uint64_t sent = 0;
  std::uint64_t in_memory = 0;
  while (sent < length) {
    const std::uint64_t left = length - sent;
    std::size_t count = 0;
    if (copies) {
      const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(left, 64 * 1024));
      const std::string piece = co_await detail::read_file_piece(descriptor, offset + sent, most);
      co_await detail::WritePieceOperation(*this, piece);
      count = piece.size();
    } else {
      if (sent >= in_memory) {
        const std::uint64_t more = std::min<std::uint64_t>(left, detail::file_window);
        co_await detail::bring_into_memory(descriptor, offset + sent, more);
        in_memory = sent + more;
      }
      const auto most = static_cast<std::size_t>(in_memory - sent);
      const FileRegion region{.descriptor = descriptor, .offset = offset + sent};
      const auto taken = co_await detail::SendFileOperation(*this, region, most);
      if (!taken) {
        copies = true;
        continue;
      }
      count = *taken;
    }
    if (count == 0) detail::throw_file_cut_short(path, peer_.to_string(), sent, length);
    sent += count;
  }
}

}  // namespace clearway
