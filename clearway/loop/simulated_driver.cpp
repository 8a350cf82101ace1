// Streams of the simulated world, and its clock.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <unistd.h>
#include <clearway/loop/simulated_table.hpp>

namespace clearway {

SimulatedDriver::SimulatedDriver(SimulationOptions options)
    : options_(options), random_(options.seed) {}

SimulatedDriver::~SimulatedDriver() = default;

std::int64_t SimulatedDriver::wall_clock() noexcept {
  constexpr std::int64_t start = 1'800'000'000'000'000'000;  // 15 January 2027, 08:00 UTC
  return start + now_.time_since_epoch().count();
}

Duration SimulatedDriver::latency() noexcept {
  const auto range = (options_.latency_max - options_.latency_min).count();
  const auto extra =
      range > 0 ? static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(range + 1)) : 0;
  return options_.latency_min + Duration(extra);
}

void SimulatedDriver::at(Instant when, std::function<void()> event) {
  events_.emplace(when, std::move(event));
}

SimulatedDriver::Socket* SimulatedDriver::find(Handle handle) noexcept {
  const auto found = sockets_.find(handle);
  return found == sockets_.end() ? nullptr : found->second.get();
}

Handle SimulatedDriver::add(std::unique_ptr<Socket> socket) {
  if (sockets_.size() >= options_.handle_limit) return -EMFILE;
  const Handle handle = next_handle_++;
  socket->handle = handle;
  sockets_.emplace(handle, std::move(socket));
  return handle;
}

void SimulatedDriver::wait(Instant deadline) {
  if (!woken_ && deadline > now_) {
    Instant next = deadline;
    if (!events_.empty()) next = std::min(next, events_.begin()->first);
    if (next != never) now_ = std::max(now_, next);
  }
  woken_ = false;
  while (!events_.empty() && events_.begin()->first <= now_) {
    auto event = events_.extract(events_.begin());
    event.mapped()();
  }
}

bool SimulatedDriver::submit(Operation& operation) {
  Socket* socket = find(operation.handle);
  operation.ticket = ++next_ticket_;
  if (socket == nullptr) {
    operation.result = -EBADF;
    return true;
  }
  if (operation.kind == Operation::Kind::connect) {
    start_connect(operation, *socket);
    if (!operation.pending) return true;
    return false;
  }
  const bool late = chance(options_.late_completions);
  if (!late && attempt(operation, *socket)) return true;
  operation.pending = true;
  socket->waiting.push_back(operation);
  if (late) {
    at(now_, [this, handle = socket->handle] {
      if (Socket* later = find(handle)) progress(*later);
    });
  }
  return false;
}

void SimulatedDriver::cancel(Operation& operation) noexcept {
  if (!operation.pending) return;
  if (!chance(options_.late_cancels)) {
    finish(operation, -ECANCELED);
    return;
  }
  // The operation may be gone and its memory in other use by then: look for it among the waiting.
  at(now_ + latency(),
     [this, handle = operation.handle, target = &operation, ticket = operation.ticket] {
       Socket* socket = find(handle);
       if (socket == nullptr) return;
       bool waiting = false;
       socket->waiting.for_each([&](Operation& other) {
         waiting = waiting || (&other == target && other.ticket == ticket);
       });
       if (waiting) finish(*target, -ECANCELED);
     });
}

void SimulatedDriver::finish(Operation& operation, std::int64_t result) {
  operation.unlink();
  operation.pending = false;
  operation.result = result;
  operation.completed();
}

bool SimulatedDriver::attempt(Operation& operation, Socket& socket) {
  switch (operation.kind) {
    case Operation::Kind::accept:
      return attempt_accept(operation, socket);
    case Operation::Kind::receive:
      return attempt_receive(operation, socket);
    case Operation::Kind::send:
      return attempt_send(operation, socket);
    case Operation::Kind::readable:
      operation.result = 0;
      return !socket.unread.empty() || socket.received_end || socket.was_reset ||
             !socket.arrived.empty() || !socket.messages.empty() || socket.error != 0;
    case Operation::Kind::writable:
      operation.result = 0;
      return true;
    case Operation::Kind::receive_datagram:
      return attempt_receive_datagram(operation, socket);
    case Operation::Kind::send_datagram:
      send_datagram(operation, socket);
      return true;
    case Operation::Kind::receive_datagrams:
      return attempt_receive_datagrams(operation, socket);
    case Operation::Kind::send_datagrams:
      send_datagrams(operation, socket);
      return true;
    case Operation::Kind::send_file:
      return attempt_send_file(operation, socket);
    case Operation::Kind::connect:
      break;
  }
  return false;
}

bool SimulatedDriver::attempt_accept(Operation& operation, Socket& socket) {
  if (!socket.listening) {
    operation.result = -EINVAL;
    return true;
  }
  if (socket.arrived.empty()) return false;
  if (sockets_.size() > options_.handle_limit) {
    operation.result = -EMFILE;
    return true;
  }
  operation.result = socket.arrived.front();
  socket.arrived.pop_front();
  if (operation.address != nullptr) {
    *operation.address = find(static_cast<Handle>(operation.result))->remote;
  }
  return true;
}

bool SimulatedDriver::attempt_receive(Operation& operation, Socket& socket) {
  if (!socket.connected) {
    operation.result = -ENOTCONN;
    return true;
  }
  if (socket.unread.empty()) {
    if (!socket.was_reset && !socket.received_end) return false;
    operation.result = socket.was_reset ? -ECONNRESET : 0;
    return true;
  }
  std::size_t count = std::min(operation.size, socket.unread.size());
  if (count > 1 && chance(options_.short_transfers)) count = 1 + random_() % count;
  std::memcpy(operation.data, socket.unread.data(), count);
  socket.unread.erase(0, count);
  bytes_received_ += count;
  operation.result = static_cast<std::int64_t>(count);
  const Socket* const peer = find(socket.peer);
  if (peer != nullptr && !peer->waiting.empty()) {
    // There is room again. Others hear of it later: whoever receives into shared memory takes what
    // came before anything else completes.
    at(now_, [this, handle = socket.peer] {
      if (Socket* sender = find(handle)) progress(*sender);
    });
  }
  return true;
}

bool SimulatedDriver::attempt_send(Operation& operation, Socket& socket) {
  std::string bytes;
  for (int index = 0; index < operation.vector_count; ++index) {
    bytes.append(static_cast<const char*>(operation.vectors[index].iov_base),
                 operation.vectors[index].iov_len);
  }
  return send_bytes(operation, socket, std::move(bytes));
}

// Files are those of the real world.
bool SimulatedDriver::attempt_send_file(Operation& operation, Socket& socket) {
  const auto& region = *static_cast<const FileRegion*>(operation.data);
  std::string bytes(std::min(operation.size, options_.buffer_capacity), '\0');
  const ssize_t count =
      ::pread(region.descriptor, bytes.data(), bytes.size(), static_cast<off_t>(region.offset));
  operation.result = count < 0 ? -EINVAL : count;  // as sendfile(2) says of what it cannot read
  if (count <= 0) return true;
  bytes.resize(static_cast<std::size_t>(count));
  return send_bytes(operation, socket, std::move(bytes));
}

bool SimulatedDriver::send_bytes(Operation& operation, Socket& socket, std::string bytes) {
  if (!socket.connected || socket.send_closed || socket.was_reset) {
    operation.result = socket.was_reset ? -ECONNRESET : socket.connected ? -EPIPE : -ENOTCONN;
    return true;
  }
  if (Socket* peer = find(socket.peer)) {
    const std::size_t used = peer->unread.size() + peer->on_the_way;
    const std::size_t room = options_.buffer_capacity > used ? options_.buffer_capacity - used : 0;
    if (room == 0 && !bytes.empty()) return false;
    std::size_t count = std::min(room, bytes.size());
    if (count > 1 && chance(options_.short_transfers)) count = 1 + random_() % count;
    bytes.resize(count);
  } else {
    socket.was_reset = true;  // the peer is gone: this send is swallowed, the next one fails
  }
  operation.result = static_cast<std::int64_t>(bytes.size());
  bytes_sent_ += bytes.size();
  deliver(socket, std::move(bytes), false, false);
  return true;
}

// Sends `bytes`, the end of the stream or a reset from `from` to its peer.
void SimulatedDriver::deliver(Socket& from, std::string bytes, bool end, bool reset) {
  Socket* peer = find(from.peer);
  if (peer == nullptr) return;
  peer->on_the_way += bytes.size();
  peer->last_arrival = std::max(peer->last_arrival, now_ + latency());
  at(peer->last_arrival, [this, to = from.peer, bytes = std::move(bytes), end, reset] {
    Socket* socket = find(to);
    if (socket == nullptr) return;
    socket->on_the_way -= bytes.size();
    socket->unread += bytes;
    socket->received_end = socket->received_end || end;
    if (reset) {
      socket->was_reset = true;
      socket->unread.clear();
    }
    progress(*socket);
  });
}

// Completes what can complete now.
void SimulatedDriver::progress(Socket& socket) {
  List<Operation> candidates;
  candidates.splice_back(socket.waiting);
  while (!candidates.empty()) {
    Operation& operation = candidates.pop_front();
    if (operation.kind != Operation::Kind::connect && attempt(operation, socket)) {
      operation.pending = false;
      operation.completed();
    } else {
      socket.waiting.push_back(operation);
    }
  }
}

Handle SimulatedDriver::open_stream(int family) {
  (void)family;
  return add(std::make_unique<Socket>());
}

SimulatedDriver::Socket* SimulatedDriver::listener_for(const Address& address) noexcept {
  for (auto& [handle, socket] : sockets_) {
    if (!socket->listening) continue;
    if (socket->local == address) return socket.get();
    const std::string host = socket->local.host();
    if (!address.is_unix() && socket->local.port() == address.port() &&
        (host == "0.0.0.0" || host == "::")) {
      return socket.get();
    }
  }
  return nullptr;
}

Handle SimulatedDriver::listen(Address& address, int backlog, bool reuse_port) {
  if (!address.is_unix() && address.port() == 0) address.set_port(next_port_++);
  if (!reuse_port && listener_for(address) != nullptr) return -EADDRINUSE;
  auto socket = std::make_unique<Socket>();
  socket->listening = true;
  socket->local = address;
  socket->backlog = static_cast<std::size_t>(std::max(backlog, 1));
  return add(std::move(socket));
}

void SimulatedDriver::start_connect(Operation& operation, Socket& socket) {
  if (socket.connected || socket.connecting) {
    operation.result = socket.connected ? -EISCONN : -EALREADY;
    return;
  }
  socket.connecting = true;
  socket.remote = *operation.address;
  socket.local = Address::loopback(next_port_++);
  operation.pending = true;
  socket.waiting.push_back(operation);
  at(now_ + latency(),
     [this, handle = socket.handle, target = *operation.address] { arrive(handle, target); });
}

// A connection request of `client` reaches `target`; the answer travels back.
void SimulatedDriver::arrive(Handle client, const Address& target) {
  Socket* caller = find(client);
  if (caller == nullptr || silent_.contains(target.host())) return;
  Socket* listener = listener_for(target);
  int error =
      listener == nullptr || listener->arrived.size() >= listener->backlog ? ECONNREFUSED : 0;
  if (error == 0) {
    auto accepted = std::make_unique<Socket>();
    accepted->connected = true;
    accepted->local = listener->local;
    accepted->remote = caller->local;
    accepted->peer = client;
    const Handle handle = add(std::move(accepted));
    if (handle < 0) {
      error = ECONNREFUSED;
    } else {
      caller->peer = handle;
      caller->connected = true;  // it may already receive; its connect completes below
      listener->arrived.push_back(handle);
      progress(*listener);
    }
  }
  at(now_ + latency(), [this, client, error] {
    Socket* socket = find(client);
    if (socket == nullptr) return;
    socket->connecting = false;
    Operation* connect = nullptr;
    socket->waiting.for_each([&](Operation& operation) {
      if (operation.kind == Operation::Kind::connect) connect = &operation;
    });
    if (connect != nullptr) finish(*connect, -error);
  });
}

int SimulatedDriver::local_address(Handle handle, Address& address) {
  Socket* socket = find(handle);
  if (socket == nullptr) return -EBADF;
  address = socket->local;
  return 0;
}

int SimulatedDriver::peer_address(Handle handle, Address& address) {
  Socket* socket = find(handle);
  if (socket == nullptr) return -EBADF;
  address = socket->remote;
  return socket->connected ? 0 : -ENOTCONN;
}

int SimulatedDriver::shutdown(Handle handle, int how) {
  Socket* socket = find(handle);
  if (socket == nullptr) return -EBADF;
  if (!socket->connected) return -ENOTCONN;
  if (how != SHUT_RD && !socket->send_closed) {
    socket->send_closed = true;
    deliver(*socket, {}, true, false);
  }
  if (how != SHUT_WR) socket->received_end = true;
  progress(*socket);
  return 0;
}

void SimulatedDriver::close(Handle handle) {
  Socket* socket = find(handle);
  if (socket == nullptr) return;
  for (const Handle waiting : socket->arrived) reset(waiting);
  // As TCP does: bytes that nobody read make the end a reset.
  deliver(*socket, {}, true, !socket->unread.empty());
  if (Socket* peer = find(socket->peer)) {
    peer->peer = no_handle;
    progress(*peer);
  }
  sockets_.erase(handle);
}

void SimulatedDriver::reset(Handle handle) {
  Socket* socket = find(handle);
  if (socket == nullptr) return;
  deliver(*socket, {}, true, true);
  socket->unread.clear();
  close(handle);
}

int SimulatedDriver::set_no_delay(Handle handle, bool on) {
  (void)on;
  return find(handle) == nullptr ? -EBADF : 0;
}

int SimulatedDriver::stream_pair(Handle (&handles)[2]) {
  for (Handle& handle : handles) {
    handle = open_stream(AF_UNIX);
    if (handle < 0) return handle;
  }
  Socket* first = find(handles[0]);
  Socket* second = find(handles[1]);
  first->connected = second->connected = true;
  first->peer = handles[1];
  second->peer = handles[0];
  return 0;
}

void SimulatedDriver::add_name(std::string name, std::vector<Address> addresses) {
  names_[std::move(name)] = std::move(addresses);
}

std::optional<std::vector<Address>> SimulatedDriver::lookup(std::string_view name) {
  const auto found = names_.find(name);
  if (found == names_.end()) return std::vector<Address>{};
  return found->second;
}

}  // namespace clearway
