#pragma once

// What UdpSocket's operations give: descriptions that are awaited, and their awaiters, which hold
// the driver's operation and live in the awaiting frame.

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <clearway/net/error.hpp>
#include <clearway/net/socket_awaiter.hpp>

namespace clearway {

class UdpSocket;

// A datagram that was received.
class Datagram {
 public:
  // What the longest has.
  static constexpr std::size_t longest = 65'535;

  Datagram() = default;
  Datagram(std::string bytes, std::size_t size, const Address& sender)
      : data(std::move(bytes)), size(size), from(sender) {}
  // There were more bytes than were asked for; they are gone.
  [[nodiscard]] bool truncated() const noexcept { return data.size() < size; }

  std::string data;
  std::size_t size = 0;  // of the whole datagram
  Address from;
};

// The same of one whose bytes went into the caller's memory.
struct DatagramSize {
  std::size_t stored = 0;  // bytes in the memory
  std::size_t size = 0;    // of the whole datagram
  Address from;
  [[nodiscard]] bool truncated() const noexcept { return stored < size; }
};

// A datagram to be sent: its bytes must live until that has been awaited. Without a target it goes
// to the peer.
struct OutgoingDatagram {
  std::string_view data;
  Address target = {};
};

namespace detail {

class DatagramAwaiter : public SocketAwaiter {
 protected:
  explicit DatagramAwaiter(UdpSocket& socket) noexcept : socket_(socket) {}
  ~DatagramAwaiter() = default;

  bool start(PromiseBase& frame, NetPhase phase);
  [[noreturn]] void fail_receive() const;
  [[noreturn]] void fail_send(std::size_t bytes, const Address& target) const;
  // An address as the socket's family has it.
  [[nodiscard]] Address as_target(const Address& target) const noexcept;

  UdpSocket& socket_;
  Address address_;
};

class ReceiveIntoAwaiter final : public DatagramAwaiter {
 public:
  ReceiveIntoAwaiter(UdpSocket& socket, std::span<char> into) noexcept : DatagramAwaiter(socket) {
    kind = Kind::receive_datagram;
    data = into.data();
    size = into.size();
    address = &address_;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise(), NetPhase::read);
  }
  DatagramSize await_resume();
};

class ReceiveDatagramAwaiter final : public DatagramAwaiter {
 public:
  ReceiveDatagramAwaiter(UdpSocket& socket, std::size_t most) noexcept;
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise(), NetPhase::read);
  }
  Datagram await_resume();

 private:
  void ended() noexcept override;

  std::string bytes_;
};

class ReceiveManyAwaiter final : public DatagramAwaiter {
 public:
  explicit ReceiveManyAwaiter(UdpSocket& socket) noexcept;
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise(), NetPhase::read);
  }
  std::vector<Datagram> await_resume();

 private:
  void ended() noexcept override;

  std::vector<Datagram> datagrams_;
};

// Sends some of them, with one call.
class SendManyAwaiter final : public DatagramAwaiter {
 public:
  SendManyAwaiter(UdpSocket& socket, std::span<const OutgoingDatagram> datagrams) noexcept;
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise(), NetPhase::write);
  }
  std::size_t await_resume() const;

 private:
  static constexpr std::size_t most = 32;

  std::array<DatagramSlot, most> slots_;
};

class SendViewAwaiter : public DatagramAwaiter {
 public:
  SendViewAwaiter(UdpSocket& socket, std::string_view bytes, const Address& target) noexcept;
  ~SendViewAwaiter() = default;
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise(), NetPhase::write);
  }
  void await_resume() const;

 private:
  iovec piece_;
};

// Keeps the bytes beside the awaiter that sends them.
struct DatagramBytes {
  std::string bytes;
};

class SendDatagramAwaiter final : private DatagramBytes, public SendViewAwaiter {
 public:
  SendDatagramAwaiter(UdpSocket& socket, std::string data, const Address& target) noexcept
      : DatagramBytes(std::move(data)), SendViewAwaiter(socket, bytes, target) {}
};

class [[nodiscard("co_await it")]] ReceiveDatagramOperation {
 public:
  ReceiveDatagramOperation(UdpSocket& socket, std::size_t most) noexcept
      : socket_(&socket), most_(most) {}
  ReceiveDatagramAwaiter operator co_await() const noexcept { return {*socket_, most_}; }

 private:
  UdpSocket* socket_;
  std::size_t most_;
};

class [[nodiscard("co_await it")]] ReceiveIntoOperation {
 public:
  ReceiveIntoOperation(UdpSocket& socket, std::span<char> into) noexcept
      : socket_(&socket), into_(into) {}
  ReceiveIntoAwaiter operator co_await() const noexcept { return {*socket_, into_}; }

 private:
  UdpSocket* socket_;
  std::span<char> into_;
};

class [[nodiscard("co_await it")]] ReceiveManyOperation {
 public:
  explicit ReceiveManyOperation(UdpSocket& socket) noexcept : socket_(&socket) {}
  ReceiveManyAwaiter operator co_await() const noexcept { return ReceiveManyAwaiter(*socket_); }

 private:
  UdpSocket* socket_;
};

class [[nodiscard("co_await it")]] SendManyOperation {
 public:
  SendManyOperation(UdpSocket& socket, std::span<const OutgoingDatagram> datagrams) noexcept
      : socket_(&socket), datagrams_(datagrams) {}
  SendManyAwaiter operator co_await() const noexcept { return {*socket_, datagrams_}; }

 private:
  UdpSocket* socket_;
  std::span<const OutgoingDatagram> datagrams_;
};

class [[nodiscard("co_await it")]] SendViewOperation {
 public:
  SendViewOperation(UdpSocket& socket, std::string_view data, const Address& target = {}) noexcept
      : socket_(&socket), data_(data), target_(target) {}
  SendViewAwaiter operator co_await() const noexcept { return {*socket_, data_, target_}; }

 private:
  UdpSocket* socket_;
  std::string_view data_;
  Address target_;
};

class [[nodiscard("co_await it")]] SendDatagramOperation {
 public:
  SendDatagramOperation(UdpSocket& socket, std::string data, const Address& target = {}) noexcept
      : socket_(&socket), data_(std::move(data)), target_(target) {}
  SendDatagramAwaiter operator co_await() && noexcept {
    return {*socket_, std::move(data_), target_};
  }

 private:
  UdpSocket* socket_;
  std::string data_;
  Address target_;
};

}  // namespace detail
}  // namespace clearway
