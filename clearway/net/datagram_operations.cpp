#include <clearway/net/datagram_operations.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <netinet/in.h>
#include <clearway/loop/loop.hpp>
#include <clearway/net/udp_socket.hpp>

namespace clearway::detail {
namespace {

// Where the loop's datagrams are received to, before their length is known. Drivers write a
// receive's memory right before it completes, so that all sockets of a loop can share one.
class DatagramScratch final : public LoopService {
 public:
  static constexpr std::size_t slot_size = 2048;
  static constexpr std::size_t slot_count = 32;
  static constexpr std::size_t size = slot_size * slot_count;
  static_assert(size >= Datagram::longest);

  explicit DatagramScratch(Loop&) {}
  [[nodiscard]] char* memory() {
    if (memory_ == nullptr) memory_ = std::make_unique_for_overwrite<char[]>(size);
    return memory_.get();
  }
  [[nodiscard]] DatagramSlot* slots() {
    if (slots_ == nullptr) {
      slots_ = std::make_unique<DatagramSlot[]>(slot_count);
      for (std::size_t index = 0; index < slot_count; ++index) {
        slots_[index].piece = {memory() + index * slot_size, slot_size};
      }
    }
    return slots_.get();
  }

 private:
  std::unique_ptr<char[]> memory_;
  std::unique_ptr<DatagramSlot[]> slots_;
};

// As people write it: ::ffff:a.b.c.d is an IPv4 address (RFC 4291 section 2.5.5.2).
Address plain(const Address& address) noexcept {
  if (address.family() != AF_INET6) return address;
  sockaddr_in6 v6{};
  std::memcpy(&v6, address.data(), sizeof v6);
  if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return address;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = v6.sin6_port;
  std::memcpy(&v4.sin_addr, &v6.sin6_addr.s6_addr[12], sizeof v4.sin_addr);
  return Address::from_system(reinterpret_cast<sockaddr*>(&v4), sizeof v4);
}

std::string_view advice(int code) {
  switch (code) {
    case ECONNREFUSED:
      return "; nobody receives there: a datagram that was sent before came back";
    case EMSGSIZE:
      return "; a datagram has at most 65,507 bytes, and only about 1,400 travel in one packet";
    case EACCES:
      return "; to send to a broadcast address, set UdpOptions::broadcast";
    case EDESTADDRREQ:
      return "; say where to with send_to(), or make the socket with connect_udp()";
    case EAFNOSUPPORT:
      return "; the socket is of the other family: one that is bound to \"::\" has both";
    default:
      return "";
  }
}

[[noreturn]] void fail(NetPhase phase, const std::string& what, int code) {
  const NetError plain = NetError::from_code(phase, what, code);
  throw NetError(phase, std::string(plain.what()) + std::string(advice(code)), code);
}

}  // namespace

bool DatagramAwaiter::start(PromiseBase& frame, NetPhase phase) {
  if (!socket_.is_open()) {
    throw NetError(phase,
                   fmt::format("cannot {} a UDP socket that is closed",
                               phase == NetPhase::read ? "receive on" : "send on"),
                   EBADF);
  }
  if (socket_.loop_ != Loop::current_or_null()) {
    throw UsageError(
        "a UDP socket belongs to the loop of another thread: use it there, through post() or "
        "run_on()");
  }
  handle = socket_.handle_;
  return !begin(frame) || submit_operation();
}

void DatagramAwaiter::fail_receive() const {
  const Address& peer = socket_.peer();
  fail(NetPhase::read,
       peer.size() == 0 ? fmt::format("cannot receive on {}", socket_.local().to_string())
                        : fmt::format("cannot receive from {}", peer.to_string()),
       static_cast<int>(-result));
}

void DatagramAwaiter::fail_send(std::size_t bytes, const Address& target) const {
  const Address shown = target.size() == 0 ? socket_.peer() : plain(target);
  fail(NetPhase::write,
       shown.size() == 0 ? fmt::format("cannot send {} bytes", bytes)
                         : fmt::format("cannot send {} bytes to {}", bytes, shown.to_string()),
       static_cast<int>(-result));
}

Address DatagramAwaiter::as_target(const Address& target) const noexcept {
  if (socket_.family_ != AF_INET6 || target.family() != AF_INET) return target;
  sockaddr_in v4{};
  std::memcpy(&v4, target.data(), sizeof v4);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = v4.sin_port;
  v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xFF;
  std::memcpy(&v6.sin6_addr.s6_addr[12], &v4.sin_addr, sizeof v4.sin_addr);
  return Address::from_system(reinterpret_cast<sockaddr*>(&v6), sizeof v6);
}

DatagramSize ReceiveIntoAwaiter::await_resume() {
  throw_if_cancelled();
  if (result < 0) fail_receive();
  const auto whole = static_cast<std::size_t>(result);
  return {.stored = std::min(whole, size), .size = whole, .from = plain(address_)};
}

ReceiveDatagramAwaiter::ReceiveDatagramAwaiter(UdpSocket& socket, std::size_t most) noexcept
    : DatagramAwaiter(socket) {
  kind = Kind::receive_datagram;
  size = std::min(most, Datagram::longest);
  address = &address_;
  if (Loop* const loop = Loop::current_or_null()) {
    data = loop->service<DatagramScratch>().memory();
  }
}

void ReceiveDatagramAwaiter::ended() noexcept {
  if (result < 0) return;
  bytes_.assign(static_cast<const char*>(data), std::min(static_cast<std::size_t>(result), size));
}

Datagram ReceiveDatagramAwaiter::await_resume() {
  throw_if_cancelled();
  if (result < 0) fail_receive();
  return {std::move(bytes_), static_cast<std::size_t>(result), plain(address_)};
}

SendViewAwaiter::SendViewAwaiter(UdpSocket& socket, std::string_view bytes,
                                 const Address& target) noexcept
    : DatagramAwaiter(socket), piece_{const_cast<char*>(bytes.data()), bytes.size()} {
  kind = Kind::send_datagram;
  vectors = &piece_;
  vector_count = 1;
  if (target.size() == 0) return;
  address_ = as_target(target);
  address = &address_;
}

void SendViewAwaiter::await_resume() const {
  throw_if_cancelled();
  if (result < 0) fail_send(piece_.iov_len, address_);
}

ReceiveManyAwaiter::ReceiveManyAwaiter(UdpSocket& socket) noexcept : DatagramAwaiter(socket) {
  kind = Kind::receive_datagrams;
  size = DatagramScratch::slot_count;
  if (Loop* const loop = Loop::current_or_null()) data = loop->service<DatagramScratch>().slots();
}

void ReceiveManyAwaiter::ended() noexcept {
  if (result < 0) return;
  datagrams_.reserve(static_cast<std::size_t>(result));
  const auto* const slots = static_cast<const DatagramSlot*>(data);
  for (const DatagramSlot& slot : std::span(slots, static_cast<std::size_t>(result))) {
    const auto* const bytes = static_cast<const char*>(slot.piece.iov_base);
    datagrams_.emplace_back(std::string(bytes, std::min(slot.size, slot.piece.iov_len)), slot.size,
                            plain(slot.address));
  }
}

std::vector<Datagram> ReceiveManyAwaiter::await_resume() {
  throw_if_cancelled();
  if (result < 0) fail_receive();
  return std::move(datagrams_);
}

SendManyAwaiter::SendManyAwaiter(UdpSocket& socket,
                                 std::span<const OutgoingDatagram> datagrams) noexcept
    : DatagramAwaiter(socket) {
  kind = Kind::send_datagrams;
  data = slots_.data();
  size = std::min(datagrams.size(), most);
  for (std::size_t index = 0; index < size; ++index) {
    const std::string_view bytes = datagrams[index].data;
    slots_[index].piece = {const_cast<char*>(bytes.data()), bytes.size()};
    slots_[index].address = as_target(datagrams[index].target);
  }
}

std::size_t SendManyAwaiter::await_resume() const {
  throw_if_cancelled();
  if (result < 0) fail_send(slots_[0].piece.iov_len, slots_[0].address);
  return static_cast<std::size_t>(result);
}

}  // namespace clearway::detail
