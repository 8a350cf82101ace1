#pragma once

// A connection: bytes in order, both ways, over TCP or a Unix socket, with a buffer for what has
// come and was not asked for yet.
//
//   Stream stream = co_await connect("example.com", 80);
//   co_await stream.write("GET / HTTP/1.0\r\n\r\n");
//   while (auto line = co_await stream.read_line()) fmt::print("{}\n", *line);
//
// One task may read while another one writes; two that read, or two that write, are a UsageError.
//
// Cancellation. A cancelled read loses nothing: what had come is in the buffer, where the next read
// finds it. A cancelled write may have sent a part: bytes_written() says how much, and since the
// peer cannot know where it ends, such a connection is usually closed.
//
// Errors of the connection are NetError with phase read or write, the peer and the reason.

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <clearway/loop/address.hpp>
#include <clearway/net/read_buffer.hpp>
#include <clearway/net/stream_operations.hpp>
#include <clearway/net/transport.hpp>
#include <clearway/task/task.hpp>

namespace clearway {

// An open file that can be sent: a File (os/file.hpp), or another type that names a descriptor.
template <class F>
concept SendableFile = requires(const F& file) {
  { file.descriptor() } -> std::same_as<int>;
  { file.path() } -> std::convertible_to<std::string>;
};

class Stream {
 public:
  static constexpr std::size_t default_limit = 64 * 1024;

  // A stream that is closed.
  Stream() noexcept = default;
  // Takes over a connected handle of the running loop's driver.
  Stream(Handle handle, const Address& peer);
  // The same through a layer of its own, such as TLS.
  Stream(TransportPointer transport, const Address& peer);
  // No operation may be under way on either stream.
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream() { close(); }

  // Reads what is there into the caller's memory, at least one byte; gives the count, and 0 at the
  // end of the stream (and for an empty `into`). `into` must live until it has been awaited.
  // Cancelled: nothing was taken.
  [[nodiscard]] detail::ReadOperation read_some(std::span<char> into) noexcept;
  // The same as a string of at most `most` bytes; nullopt at the end.
  [[nodiscard]] Task<std::optional<std::string>> read_some(std::size_t most = default_limit);
  // Exactly `size` bytes. EndOfStream when the stream ends before; what came stays in the buffer.
  [[nodiscard]] Task<std::string> read_exactly(std::size_t size);
  // Up to and including `delimiter`, which is not empty. EndOfStream when the stream ends before
  // it, LimitExceeded when more than `limit` bytes come without it; both leave the bytes in the
  // buffer.
  [[nodiscard]] Task<std::string> read_until(std::string delimiter,
                                             std::size_t limit = default_limit);
  // A line without its end, "\n" or "\r\n"; the last one may lack it. nullopt at the end of the
  // stream, LimitExceeded as above.
  [[nodiscard]] Task<std::optional<std::string>> read_line(std::size_t limit = default_limit);
  // All up to the end of the stream; LimitExceeded as above.
  [[nodiscard]] Task<std::string> read_all(std::size_t limit = 64 * default_limit);

  // Writes all of `data`; waits while the peer does not read.
  [[nodiscard]] detail::WriteStringOperation write(std::string data) noexcept;
  // The same from memory that must live until it has been awaited.
  [[nodiscard]] detail::WriteOperation write_view(std::string_view data) noexcept;
  // The same from several pieces, in one system call for each eight; the pieces and their bytes
  // must live until it has been awaited.
  [[nodiscard]] detail::WriteOperation write_views(
      std::span<const std::string_view> pieces) noexcept;
  // Writes what fits without waiting twice; gives the count, at least 1 unless `data` is empty.
  // Cancelled: nothing was sent. `data` must live until it has been awaited.
  [[nodiscard]] detail::WriteSomeOperation write_some(std::string_view data) noexcept;

  // Sends `length` bytes of an open file, from `offset` on; the file's own position stays. The
  // kernel sends them from where it keeps them (sendfile(2)); through a layer such as TLS they are
  // read and written piece by piece. What is not in memory is fetched in a thread. FileCutShort
  // when the file ends before. Cancelled, or failed: bytes_written() says how much was sent, as
  // with write(). The file must stay open until it has been awaited.
  template <SendableFile F>
  [[nodiscard]] Task<> send_file(const F& file, std::uint64_t offset, std::uint64_t length) {
    return send_descriptor(file.descriptor(), std::string(file.path()), offset, length);
  }

  // Tells the peer that nothing more will be written; reading goes on.
  [[nodiscard]] Task<> shutdown_write();
  // Closes at once; does nothing when closed. No operation may be under way. What the peer sent and
  // nobody read makes it see a reset, as TCP does.
  void close() noexcept;
  // Closes so that the peer sees a reset.
  void reset() noexcept;

  // For protocols that parse in place. What has come and was not consumed: valid until the next
  // fill() or other read.
  [[nodiscard]] std::string_view buffered() const noexcept { return buffer_.view(); }
  // Removes the first `count` bytes of buffered().
  void consume(std::size_t count) noexcept { buffer_.consume(count); }
  // Waits for more bytes, whatever is buffered already, and appends them; gives their count, 0 at
  // the end of the stream. Cancelled: nothing is lost.
  [[nodiscard]] detail::ReadOperation fill() noexcept;
  // Waits until fill() would not wait; takes no memory meanwhile. Bytes that are buffered do not
  // count.
  [[nodiscard]] detail::ReadableOperation wait_readable() noexcept;
  // The end of the stream has been read; the buffer may still hold bytes.
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  // Lends and takes back the buffer, so that idle connections can do without one.
  [[nodiscard]] ReadBuffer take_buffer() noexcept { return std::move(buffer_); }
  void give_buffer(ReadBuffer buffer) noexcept { buffer_ = std::move(buffer); }

  [[nodiscard]] bool is_open() const noexcept { return handle_ != no_handle; }
  [[nodiscard]] const Address& peer() const noexcept { return peer_; }
  // Throws NetError when the stream is closed.
  [[nodiscard]] Address local() const;
  // Bytes that were read and written since the stream was made, those of this stream: a layer such
  // as TLS sends others for them.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }
  [[nodiscard]] std::uint64_t bytes_written() const noexcept { return bytes_written_; }
  [[nodiscard]] Handle handle() const noexcept { return handle_; }
  // Gives up the handle, open; the buffer must be empty, no operation under way, and no transport
  // there.
  Handle release() noexcept;

  // For owners of operations of their own, of kind receive, send or readable: as the driver's
  // submit() and cancel(), through the transport if there is one.
  bool submit(Operation& operation);
  void cancel(Operation& operation) noexcept;
  // The layer that this stream goes through; null for most.
  [[nodiscard]] Transport* transport() const noexcept { return transport_.get(); }

 private:
  friend class detail::StreamAwaiter;
  friend class detail::ReadAwaiter;
  friend class detail::WriteAwaiter;
  friend class detail::SendFileAwaiter;

  class FileTurn;
  Task<> send_descriptor(int descriptor, std::string path, std::uint64_t offset,
                         std::uint64_t length);
  std::string take(std::size_t count);

  Loop* loop_ = nullptr;
  Handle handle_ = no_handle;
  TransportPointer transport_;
  bool reading_ = false;
  bool writing_ = false;
  bool sending_file_ = false;  // in several writes, between which nobody else writes
  bool ended_ = false;
  ReadBuffer buffer_;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t bytes_written_ = 0;
  Address peer_;
};

// Two streams of this process that are connected to each other.
struct StreamPair {
  Stream first;
  Stream second;
};
// Throws NetError when there are no descriptors left.
StreamPair stream_pair();

}  // namespace clearway
