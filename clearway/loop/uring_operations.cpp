// The part of the io_uring driver that knows what operations are: how each becomes a request, and
// what its completion means.

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <clearway/loop/uring_table.hpp>

namespace clearway {
namespace {

constexpr short input_events = POLLIN | POLLRDHUP;

// A request's size is a 32-bit number.
std::uint32_t request_size(std::size_t size) noexcept {
  constexpr std::size_t most = 1U << 30;
  return static_cast<std::uint32_t>(std::min(size, most));
}

}  // namespace

// Starting operations

bool UringDriver::submit(Operation& operation) {
  operation.ticket = 0;
  if (operation.handle < 0) {
    operation.result = -EBADF;
    return true;
  }
  assert(!operation.pending);
  Entry& socket = entry(operation.handle);
  if (!socket.owned) return submit_foreign(operation);
  if (socket.listening != nullptr) return submit_accept(operation, socket);
  const bool writes = is_writer(operation.kind);
  List<Operation>& line = writes ? socket.writers : socket.readers;
  if (line.empty() && attempt(operation, socket)) return true;
  operation.pending = true;
  line.push_back(operation);
  if ((writes ? socket.writing : socket.reading) == 0 && &line.front() == &operation) {
    begin(operation, socket);
  }
  return false;
}

// Descriptors of others, that may be closed and their numbers reused without a word to us: they are
// not in the table, and what waits for one is an operation by itself.
bool UringDriver::submit_foreign(Operation& operation) {
  const bool writes = operation.kind == Operation::Kind::writable;
  if (!writes && operation.kind != Operation::Kind::readable) {
    operation.result = -EBADF;
    return true;
  }
  if (poll_now(operation.handle, writes ? POLLOUT : POLLIN)) {
    operation.result = 0;
    return true;
  }
  operation.pending = true;
  Slot slot = 0;
  begin_poll(operation, slot);
  return false;
}

bool UringDriver::submit_accept(Operation& operation, Entry& listener) {
  Listening& listening = *listener.listening;
  const bool accepts = operation.kind == Operation::Kind::accept;
  if (!accepts && operation.kind != Operation::Kind::readable) {
    operation.result = -ENOTCONN;
    return true;
  }
  if (listener.readers.empty() && !listening.arrived.empty()) {
    operation.result = 0;
    if (accepts) give_connection(operation, listener);
    return true;
  }
  operation.pending = true;
  listener.readers.push_back(operation);
  begin_accept(operation.handle, listener);
  return false;
}

// What can be done without waiting, where that is likely; false: begin().
bool UringDriver::attempt(Operation& operation, Entry& socket) {
  operation.result = 0;
  switch (operation.kind) {
    case Operation::Kind::receive:
      if (operation.size == 0) return true;
      return (socket.error != 0 || socket.input == UringInput::some) &&
             receive_now(operation, socket);
    case Operation::Kind::readable:
      if (socket.error != 0) return true;
      if (socket.input == UringInput::none) return false;
      socket.input = poll_now(operation.handle, input_events) ? UringInput::some : UringInput::none;
      return socket.input == UringInput::some;
    case Operation::Kind::writable:
      return poll_now(operation.handle, POLLOUT);
    case Operation::Kind::connect: {
      // A Unix listener whose backlog is full says "again", and when is not known.
      const Address& target = *operation.address;
      if (!target.is_unix()) return false;
      if (::connect(operation.handle, target.data(), target.size()) == 0) return true;
      operation.result = -errno;
      if (operation.result != -EAGAIN) return true;
      starve(operation.handle, socket, connect_pause);
      return false;
    }
    case Operation::Kind::accept:
      operation.result = -EINVAL;
      return true;
    case Operation::Kind::send:
      return false;
    case Operation::Kind::receive_datagram:
    case Operation::Kind::send_datagram:
    case Operation::Kind::receive_datagrams:
    case Operation::Kind::send_datagrams:
    case Operation::Kind::send_file:
      return transfer(operation);
  }
  return false;
}

// The operations whose turn it is; the first of a line was completed or cancelled.
void UringDriver::begin_first(Handle handle, Entry& socket) {
  if (!socket.owned) return;
  if (socket.listening != nullptr) {
    serve_accepts(handle, socket);
    return;
  }
  const std::uint32_t generation = socket.generation;
  for (const bool writes : {false, true}) {
    List<Operation>& line = writes ? socket.writers : socket.readers;
    const Slot& slot = writes ? socket.writing : socket.reading;
    while (socket.generation == generation && socket.owned && !socket.starved && slot == 0 &&
           !line.empty()) {
      Operation& first = line.front();
      if (attempt(first, socket)) {
        finish(first, first.result);
      } else {
        begin(first, socket);
      }
    }
  }
}

void UringDriver::begin(Operation& operation, Entry& socket) {
  switch (operation.kind) {
    case Operation::Kind::receive:
      begin_receive(operation, socket.reading, socket.input == UringInput::none);
      break;
    case Operation::Kind::readable:
      begin_poll(operation, socket.reading);
      break;
    case Operation::Kind::writable:
    case Operation::Kind::send_datagram:
    case Operation::Kind::send_datagrams:
    case Operation::Kind::send_file:
      begin_poll(operation, socket.writing);
      break;
    case Operation::Kind::receive_datagram:
    case Operation::Kind::receive_datagrams:
      begin_poll(operation, socket.reading);
      break;
    case Operation::Kind::send:
      begin_send(operation, socket.writing);
      break;
    case Operation::Kind::connect: {
      if (operation.address->is_unix()) break;  // it is starved
      io_uring_sqe& request =
          new_request(Step::connect, operation.handle, &operation, socket.writing);
      request.opcode = IORING_OP_CONNECT;
      request.addr = reinterpret_cast<std::uint64_t>(operation.address->data());
      request.off = operation.address->size();
      break;
    }
    case Operation::Kind::accept:
      break;
  }
}

// `empty`: the kernel need not look before it waits.
void UringDriver::begin_receive(Operation& operation, Slot& slot, bool empty) {
  if (!buffers_.provided()) {
    begin_poll(operation, slot);
    return;
  }
  io_uring_sqe& request = new_request(Step::receive, operation.handle, &operation, slot);
  request.opcode = IORING_OP_RECV;
  request.len = request_size(operation.size);
  request.flags = IOSQE_BUFFER_SELECT;
  request.buf_group = UringBuffers::group;
  if (empty) request.ioprio = IORING_RECVSEND_POLL_FIRST;
}

void UringDriver::begin_send(Operation& operation, Slot& slot) {
  io_uring_sqe& request = new_request(Step::send, operation.handle, &operation, slot);
  request.msg_flags = MSG_NOSIGNAL;
  if (operation.vector_count == 1) {
    request.opcode = IORING_OP_SEND;
    request.addr = reinterpret_cast<std::uint64_t>(operation.vectors->iov_base);
    request.len = request_size(operation.vectors->iov_len);
    return;
  }
  msghdr& message = messages_->headers[ring_.last_place()];
  message = {};
  message.msg_iov = const_cast<iovec*>(operation.vectors);
  message.msg_iovlen = static_cast<std::size_t>(operation.vector_count);
  request.opcode = IORING_OP_SENDMSG;
  request.addr = reinterpret_cast<std::uint64_t>(&message);
  request.len = 1;
}

void UringDriver::begin_poll(Operation& operation, Slot& slot) {
  io_uring_sqe& request = new_request(Step::poll, operation.handle, &operation, slot);
  request.opcode = IORING_OP_POLL_ADD;
  request.poll32_events = is_writer(operation.kind) ? POLLOUT : input_events;
}

void UringDriver::begin_accept(Handle handle, Entry& listener) {
  Listening& listening = *listener.listening;
  if (listening.accepting != 0 || listener.starved) return;
  io_uring_sqe& request = new_request(Step::accept, handle, nullptr, listening.accepting);
  if (ring_.rung() == UringRung::plain) {
    request.opcode = IORING_OP_POLL_ADD;
    request.poll32_events = POLLIN;
    return;
  }
  request.opcode = IORING_OP_ACCEPT;
  request.ioprio = IORING_ACCEPT_MULTISHOT;
  request.accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
}

// Completing them

void UringDriver::finish(Operation& operation, std::int64_t result) {
  operation.unlink();
  operation.pending = false;
  operation.result = result;
  operation.completed();
}

void UringDriver::received(Operation& operation, Entry& socket, const io_uring_cqe& completion,
                           bool cancelled) {
  if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
    take_buffer(operation, socket, completion);
    finish(operation, operation.result);
    return;
  }
  switch (completion.res) {
    case -ENOBUFS:  // more receives had bytes at once than there are buffers
    case -EAGAIN:
    case -EINTR:
      if (cancelled) {
        finish(operation, -ECANCELED);
      } else {
        begin_poll(operation, socket.reading);
      }
      break;
    default:
      if (completion.res == 0) socket.input = UringInput::some;  // the end stays
      finish(operation, completion.res);
  }
}

// Copies what came into the operation's memory, and fetches the rest where there is more.
void UringDriver::take_buffer(Operation& operation, Entry& socket, const io_uring_cqe& completion) {
  const unsigned buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
  operation.result = completion.res;
  if (completion.res > 0) {
    const auto count = static_cast<std::size_t>(completion.res);
    assert(count <= operation.size);
    std::memcpy(operation.data, buffers_.data(buffer), count);
    const bool more = (completion.flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
    socket.input = more ? UringInput::some : UringInput::none;
    if (more && count < operation.size && !socket.stops_at_messages) {
      const std::int64_t rest =
          fetch(socket, operation.handle, static_cast<char*>(operation.data) + count,
                operation.size - count);
      if (rest > 0) operation.result += rest;
      if (rest < 0 && rest != -EAGAIN) socket.error = static_cast<int>(-rest);
    }
  } else if (completion.res == 0) {
    socket.input = UringInput::some;
  }
  buffers_.give_back(buffer);
}

// One recv(), and what it tells about the socket.
std::int64_t UringDriver::fetch(Entry& socket, Handle handle, char* into, std::size_t size) {
  for (;;) {
    ++calls_.receive;
    const ssize_t count = ::recv(handle, into, size, MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    const std::int64_t result = count < 0 ? -errno : count;
    const bool drained =
        count > 0 && static_cast<std::size_t>(count) < size && !socket.stops_at_messages;
    socket.input = drained || result == -EAGAIN ? UringInput::none : UringInput::some;
    return result;
  }
}

// False: there is nothing.
bool UringDriver::receive_now(Operation& operation, Entry& socket) {
  operation.result = socket.error != 0 ? -std::exchange(socket.error, 0)
                                       : fetch(socket, operation.handle,
                                               static_cast<char*>(operation.data), operation.size);
  return operation.result != -EAGAIN;
}

// What is wrong with a descriptor, the call that its owner makes next will say.
void UringDriver::polled(Operation& operation, Entry& socket, bool cancelled) {
  if (operation.kind == Operation::Kind::receive) {
    if (receive_now(operation, socket)) {
      finish(operation, operation.result);
    } else if (cancelled) {
      finish(operation, -ECANCELED);
    } else {
      begin_receive(operation, socket.reading, true);
    }
    return;
  }
  if (is_direct(operation.kind)) {
    if (transfer(operation)) {
      finish(operation, operation.result);
    } else {
      begin(operation, socket);  // another socket of the process, or a bad checksum, took it
    }
    return;
  }
  if (socket.owned && operation.kind == Operation::Kind::readable) {
    socket.input = UringInput::some;
  }
  finish(operation, 0);
}

void UringDriver::accepted(Handle handle, Entry& listener, std::int32_t result) {
  Listening& listening = *listener.listening;
  const int code = -result;
  if (result >= 0) {
    if (ring_.rung() == UringRung::plain) {
      accept_by_call(handle, listener);
    } else {
      listening.arrived.push_back(result);
    }
  } else if (is_want(code)) {
    say_starved(handle, code);
    starve(handle, listener, accept_pause);
  } else if (code != ECANCELED && code != EAGAIN && !concerns_one_connection(code) &&
             !listener.readers.empty()) {
    finish(listener.readers.front(), result);
    if (!listener.owned || listener.listening.get() != &listening) return;
  }
  serve_accepts(handle, listener);
}

// For kernels without multishot accept, after a poll.
void UringDriver::accept_by_call(Handle handle, Entry& listener) {
  Listening& listening = *listener.listening;
  while (listening.arrived.size() < listener.readers.count()) {
    ++calls_.accept;
    const int connection = ::accept4(handle, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection >= 0) {
      listening.arrived.push_back(connection);
      continue;
    }
    const int code = errno;
    if (concerns_one_connection(code)) continue;
    if (code != EAGAIN) accepted(handle, listener, -code);
    return;
  }
}

// Deals connections out to who waits for them, and goes on accepting for those who still do.
void UringDriver::serve_accepts(Handle handle, Entry& listener) {
  const std::uint32_t generation = listener.generation;
  while (listener.owned && listener.generation == generation && !listener.readers.empty() &&
         !listener.listening->arrived.empty()) {
    Operation& operation = listener.readers.front();
    operation.result = 0;
    if (operation.kind == Operation::Kind::accept) give_connection(operation, listener);
    finish(operation, operation.result);
  }
  if (!listener.owned || listener.generation != generation) return;
  if (!listener.readers.empty()) {
    begin_accept(handle, listener);
  } else if (!std::exchange(listener.listening->crowded, true)) {
    crowded_.push_back(handle);
  }
}

void UringDriver::give_connection(Operation& operation, Entry& listener) {
  const Handle connection = listener.listening->arrived.front();
  listener.listening->arrived.pop_front();
  own(connection, Role::stream, listener.stops_at_messages);
  // A connection that broke meanwhile has no peer any more, and its first read says so.
  if (operation.address != nullptr && peer_address(connection, *operation.address) != 0) {
    *operation.address = Address();
  }
  operation.result = connection;
}

// Listeners whose connections nobody takes: the next ones wait in the kernel.
void UringDriver::leave_connections() noexcept {
  for (const Handle handle : crowded_) {
    Entry& listener = entry(handle);
    if (listener.listening == nullptr) continue;
    Listening& listening = *listener.listening;
    listening.crowded = false;
    if (listener.readers.empty() && listening.accepting != 0) {
      cancel_request(listening.accepting);
    }
  }
  crowded_.clear();
}

// Waiting for better times

void UringDriver::starve(Handle handle, Entry& socket, Duration pause) {
  if (std::exchange(socket.starved, true)) return;
  starved_.push_back(handle);
  retry_at_ = std::min(retry_at_, after(now(), pause));
}

void UringDriver::retry_starved() {
  retry_at_ = never;
  std::vector<Handle> due;
  due.swap(starved_);
  for (const Handle handle : due) {
    Entry& socket = entry(handle);
    if (!std::exchange(socket.starved, false)) continue;
    begin_first(handle, socket);
  }
}

}  // namespace clearway
