#pragma once

// What a connection has to send: appended to, sent in as few system calls as possible, and never
// waited for unless somebody wants to know.

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include <clearway/loop/driver.hpp>
#include <clearway/task/waiter.hpp>

namespace clearway::http::detail {

class ServerConnection;

// An awaiter that is made in the awaiting frame, since it cannot be moved.
template <class Awaiter, class Subject>
class [[nodiscard("co_await it")]] Awaiting {
 public:
  explicit Awaiting(Subject& subject) noexcept : subject_(&subject) {}
  Awaiter operator co_await() const noexcept { return Awaiter(*subject_); }

 private:
  Subject* subject_;
};

class ServerOutput final : private Operation {
 public:
  // Somebody who waits until everything is sent.
  class Flush;

  // Appended to; sent with the next start().
  [[nodiscard]] std::string& text() noexcept { return buffers_[filling_]; }
  // Sent after what is in text() now, from where it lies. Nothing may be appended until it is sent.
  void set_tail(std::string body) noexcept { tail_ = std::move(body); }
  // Sent after what is in text() and the tail: a part of an open file, not through TLS.
  void set_file(const FileRegion& region, std::size_t size) noexcept {
    region_ = region;
    file_ended_ = false;
    file_error_ = 0;
    file_left_ = size;
  }
  // Of the last file: bytes that it did not have, and the errno value if it could not be read.
  [[nodiscard]] std::size_t file_left() const noexcept { return file_left_; }
  [[nodiscard]] int file_error() const noexcept { return file_error_; }
  [[nodiscard]] std::size_t waiting_bytes() const noexcept {
    return buffers_[filling_].size() + tail_.size();
  }

  // Sends what there is and waits until it is sent; failed() says how it went.
  [[nodiscard]] Awaiting<Flush, ServerOutput> flush() noexcept {
    return Awaiting<Flush, ServerOutput>(*this);
  }
  // Sends what there is; true when nothing is left to do: all is sent, or the connection is broken.
  bool start();
  [[nodiscard]] bool sending() const noexcept { return pending; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] bool stalled() const noexcept { return stalled_; }
  // The client takes nothing: gives up.
  void give_up() noexcept;
  void attach(ServerConnection& connection) noexcept { connection_ = &connection; }
  // Forgets the connection; memory is kept unless it is much.
  void reset() noexcept;

 private:
  bool load() noexcept;
  bool account() noexcept;
  bool account_file() noexcept;
  // Nobody waits for the file any more, and its owner may close it.
  void forget_file() noexcept;
  void fail() noexcept;
  void completed() override;

  static constexpr std::size_t kept_capacity = 32 * 1024;

  ServerConnection* connection_ = nullptr;
  Flush* waiting_ = nullptr;
  std::array<std::string, 2> buffers_;  // one is filled while the other is sent
  std::string tail_;
  std::string sending_tail_;
  std::array<iovec, 2> pieces_{};
  FileRegion region_;
  std::size_t file_left_ = 0;
  int file_error_ = 0;
  std::uint8_t filling_ = 0;
  bool busy_ = false;  // pieces_ holds something
  bool failed_ = false;
  bool stalled_ = false;
  bool file_ended_ = false;
};

class ServerOutput::Flush final : public Waiter {
 public:
  explicit Flush(ServerOutput& output) noexcept : output_(output) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return suspend(handle.promise());
  }
  void await_resume() const { throw_if_cancelled(); }

 private:
  friend class ServerOutput;
  bool suspend(PromiseBase& frame);
  void stop() noexcept override;

  ServerOutput& output_;
};

}  // namespace clearway::http::detail
