#pragma once

// What Stream's primitive operations give: descriptions that are awaited, and their awaiters, which
// hold the driver's operation and live in the awaiting frame.

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <clearway/net/error.hpp>
#include <clearway/net/socket_awaiter.hpp>

namespace clearway {

class Stream;

namespace detail {

class StreamAwaiter : public SocketAwaiter {
 protected:
  explicit StreamAwaiter(Stream& stream) noexcept;
  ~StreamAwaiter() = default;

  // Throws UsageError when the stream is another loop's or `busy`, NetError when it is closed.
  void check(NetPhase phase, bool busy) const;
  [[noreturn]] void fail(NetPhase phase) const;

  Stream& stream_;
};

class ReadAwaiter final : public StreamAwaiter {
 public:
  // `into` null: into the stream's buffer, and whatever is buffered already.
  ReadAwaiter(Stream& stream, char* into, std::size_t size) noexcept;
  bool await_ready() noexcept;
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise());
  }
  std::size_t await_resume();

 private:
  bool start(PromiseBase& frame);
  void ended() noexcept override;

  bool fills_;
};

class ReadableAwaiter final : public StreamAwaiter {
 public:
  explicit ReadableAwaiter(Stream& stream) noexcept : StreamAwaiter(stream) {}
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise());
  }
  void await_resume();

 private:
  bool start(PromiseBase& frame);
};

class WriteAwaiter : public StreamAwaiter {
 public:
  WriteAwaiter(Stream& stream, std::string_view data, bool all) noexcept
      : StreamAwaiter(stream), first_(data), all_(all) {}
  WriteAwaiter(Stream& stream, std::span<const std::string_view> more) noexcept
      : StreamAwaiter(stream), more_(more), all_(true) {}
  ~WriteAwaiter() = default;
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise());
  }
  void await_resume() { finish(); }

 protected:
  std::size_t finish();

 private:
  bool start(PromiseBase& frame);
  bool load() noexcept;
  bool advance();
  bool account() noexcept;
  void completed() override;
  void stop() noexcept override;

  static constexpr std::size_t most_vectors = 8;

  std::string_view first_;
  std::span<const std::string_view> more_;
  std::array<iovec, most_vectors> pieces_;
  std::size_t written_ = 0;
  bool all_;
  bool stopping_ = false;

 protected:
  bool of_file_ = false;  // a piece of what send_file() sends
};

class WriteSomeAwaiter final : public WriteAwaiter {
 public:
  WriteSomeAwaiter(Stream& stream, std::string_view data) noexcept
      : WriteAwaiter(stream, data, false) {}
  std::size_t await_resume() { return finish(); }
};

// What send_file() is made of: the kernel sends a part of the file, or a piece of it is written.
class SendFileAwaiter final : public StreamAwaiter {
 public:
  SendFileAwaiter(Stream& stream, const FileRegion& region, std::size_t most) noexcept
      : StreamAwaiter(stream), region_(region) {
    kind = Kind::send_file;
    data = &region_;
    size = most;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise());
  }
  // How many bytes were sent; 0 when the file has none there, nothing when the kernel cannot send
  // such a file.
  std::optional<std::size_t> await_resume();

 private:
  bool start(PromiseBase& frame);
  void ended() noexcept override;

  FileRegion region_;
};

class WritePieceAwaiter final : public WriteAwaiter {
 public:
  WritePieceAwaiter(Stream& stream, std::string_view piece) noexcept
      : WriteAwaiter(stream, piece, true) {
    of_file_ = true;
  }
};

class [[nodiscard("co_await it")]] SendFileOperation {
 public:
  SendFileOperation(Stream& stream, const FileRegion& region, std::size_t most) noexcept
      : stream_(&stream), region_(region), most_(most) {}
  SendFileAwaiter operator co_await() const noexcept { return {*stream_, region_, most_}; }

 private:
  Stream* stream_;
  FileRegion region_;
  std::size_t most_;
};

class [[nodiscard("co_await it")]] WritePieceOperation {
 public:
  WritePieceOperation(Stream& stream, std::string_view piece) noexcept
      : stream_(&stream), piece_(piece) {}
  WritePieceAwaiter operator co_await() const noexcept { return {*stream_, piece_}; }

 private:
  Stream* stream_;
  std::string_view piece_;
};

// Keeps the bytes beside the awaiter that sends them.
struct OwnedBytes {
  std::string bytes;
};

class WriteStringAwaiter final : private OwnedBytes, public WriteAwaiter {
 public:
  WriteStringAwaiter(Stream& stream, std::string data) noexcept
      : OwnedBytes(std::move(data)), WriteAwaiter(stream, bytes, true) {}
};

class [[nodiscard("co_await it")]] ReadOperation {
 public:
  ReadOperation(Stream& stream, char* into, std::size_t size) noexcept
      : stream_(&stream), into_(into), size_(size) {}
  ReadAwaiter operator co_await() const noexcept { return {*stream_, into_, size_}; }

 private:
  Stream* stream_;
  char* into_;
  std::size_t size_;
};

class [[nodiscard("co_await it")]] ReadableOperation {
 public:
  explicit ReadableOperation(Stream& stream) noexcept : stream_(&stream) {}
  ReadableAwaiter operator co_await() const noexcept { return ReadableAwaiter(*stream_); }

 private:
  Stream* stream_;
};

class [[nodiscard("co_await it")]] WriteOperation {
 public:
  WriteOperation(Stream& stream, std::string_view data) noexcept : stream_(&stream), data_(data) {}
  WriteOperation(Stream& stream, std::span<const std::string_view> pieces) noexcept
      : stream_(&stream), pieces_(pieces) {}
  WriteAwaiter operator co_await() const noexcept {
    if (pieces_.data() != nullptr) return {*stream_, pieces_};
    return {*stream_, data_, true};
  }

 private:
  Stream* stream_;
  std::string_view data_;
  std::span<const std::string_view> pieces_;
};

class [[nodiscard("co_await it")]] WriteSomeOperation {
 public:
  WriteSomeOperation(Stream& stream, std::string_view data) noexcept
      : stream_(&stream), data_(data) {}
  WriteSomeAwaiter operator co_await() const noexcept { return {*stream_, data_}; }

 private:
  Stream* stream_;
  std::string_view data_;
};

class [[nodiscard("co_await it")]] WriteStringOperation {
 public:
  WriteStringOperation(Stream& stream, std::string data) noexcept
      : stream_(&stream), data_(std::move(data)) {}
  WriteStringAwaiter operator co_await() && noexcept { return {*stream_, std::move(data_)}; }

 private:
  Stream* stream_;
  std::string data_;
};

}  // namespace detail
}  // namespace clearway
