#include <clearway/loop/epoll_driver.hpp>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include <poll.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/loop/descriptor_limit.hpp>
#include <clearway/loop/epoll_table.hpp>

namespace clearway {

namespace {

constexpr std::uint64_t wake_token = ~std::uint64_t{0};

// What the kernel gives back with an event.
std::uint64_t token_of(Handle handle, std::uint32_t generation) noexcept {
  return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(handle);
}

}  // namespace

EpollDriver::EpollDriver() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_.valid()) {
    const int code = errno;
    throw SystemError("cannot start an event loop" + descriptor_limit_hint(code), code);
  }
  // Edge-triggered: it never has to be read.
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = wake_token}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_descriptor(), &event) != 0) {
    throw SystemError("cannot start an event loop: epoll_ctl failed", errno);
  }
}

EpollDriver::~EpollDriver() = default;

EpollDriver::Entry& EpollDriver::entry(Handle handle) {
  assert(handle >= 0);
  const auto index = static_cast<std::size_t>(handle);
  const std::size_t chunk = index / Chunk::size;
  if (chunk >= table_.size()) table_.resize(chunk + 1);
  if (table_[chunk] == nullptr) table_[chunk] = std::make_unique<Chunk>();
  return table_[chunk]->entries[index % Chunk::size];
}

// The number may be given to another descriptor as soon as this one is closed.
void EpollDriver::own(Handle handle, Role, bool stops_at_messages) {
  Entry& fresh = entry(handle);
  assert(!fresh.owned);
  assert(fresh.readers.empty() && fresh.writers.empty());
  ++fresh.generation;
  fresh.owned = true;
  fresh.registered = false;
  fresh.readable = true;
  fresh.writable = true;
  fresh.hangup = false;
  fresh.stops_at_messages = stops_at_messages;
  ++open_handles_;
}

void EpollDriver::close(Handle handle) {
  Entry& gone = entry(handle);
  assert(gone.owned);
  assert(gone.readers.empty() && gone.writers.empty());  // whoever closes has ended what it began
  ++gone.generation;
  gone.owned = false;
  gone.registered = false;
  gone.starved = false;
  --open_handles_;
  if (!starved_.empty()) retry_at_ = Instant::min();  // there is a descriptor again
  // On Linux the descriptor is gone even when close() was interrupted.
  ::close(handle);
}

void EpollDriver::wait(Instant deadline) {
  deadline = std::min(deadline, retry_at_);
  const bool polls = deadline == Instant::min() || !fall_asleep();
  const int count = wait_for_events(polls ? Instant::min() : deadline);
  wake_up();
  for (int index = 0; index < count; ++index) {
    handle_event(events_[static_cast<std::size_t>(index)]);
  }
  if (retry_at_ != never && now() >= retry_at_) retry_starved();
}

// wake() makes the epoll descriptor readable from now on.
Instant EpollDriver::park(Instant deadline) {
  return fall_asleep() ? std::min(deadline, retry_at_) : Instant::min();
}

// A timeout of nanoseconds, so that the loop neither wakes early nor sleeps a whole tick too long.
// An interruption is no reason to return: a signal's handler says wake().
int EpollDriver::wait_for_events(Instant deadline) {
  for (;;) {
    ++calls_.wait;
    Duration timeout = Duration::zero();
    if (deadline != Instant::min() && deadline != never) {
      timeout = std::max(Duration::zero(), deadline - now());
    }
    int count = 0;
    if (has_pwait2_) {
      const timespec limit{.tv_sec = timeout.count() / 1'000'000'000,
                           .tv_nsec = timeout.count() % 1'000'000'000};
      count = ::epoll_pwait2(epoll_.get(), events_.data(), batch,
                             deadline == never ? nullptr : &limit, nullptr);
      // A kernel before 5.11, or a seccomp filter that does not know it.
      if (count < 0 && errno != EINTR) has_pwait2_ = false;
    } else {
      int milliseconds = -1;
      if (deadline != never) {
        const auto whole = (timeout.count() + 999'999) / 1'000'000;
        milliseconds = static_cast<int>(std::min<std::int64_t>(whole, 1'000'000));
      }
      count = ::epoll_wait(epoll_.get(), events_.data(), batch, milliseconds);
      if (count < 0 && errno != EINTR) return 0;
    }
    if (count >= 0) return count;
  }
}

void EpollDriver::handle_event(const epoll_event& event) {
  if (event.data.u64 == wake_token) return;
  const auto handle = static_cast<Handle>(event.data.u64 & 0xFFFF'FFFF);
  Entry& socket = entry(handle);
  if (!socket.registered || socket.generation != event.data.u64 >> 32) return;
  if (!socket.owned) {
    handle_foreign(handle, socket, event.events);
    return;
  }
  const bool ended = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  const bool broken = (event.events & (EPOLLHUP | EPOLLERR)) != 0;
  if (ended) socket.hangup = true;
  if (ended || (event.events & EPOLLIN) != 0) socket.readable = true;
  if (broken || (event.events & EPOLLOUT) != 0) socket.writable = true;
  progress(socket.readers, socket, &Entry::readable);
  progress(socket.writers, socket, &Entry::writable);
}

// Carries out what waits, in order. completed() may submit and cancel: the list is looked at anew
// each time.
void EpollDriver::progress(List<Operation>& waiting, Entry& socket, bool Entry::* flag) {
  while (socket.*flag && !waiting.empty()) {
    Operation& operation = waiting.pop_front();
    if (attempt(operation, socket) == Outcome::would_wait) {
      waiting.push_front(operation);
      return;
    }
    operation.pending = false;
    operation.completed();
  }
}

void EpollDriver::handle_foreign(Handle handle, Entry& socket, std::uint32_t events) {
  const bool broken = (events & (EPOLLHUP | EPOLLERR)) != 0;
  List<Operation> due;
  if (broken || (events & (EPOLLIN | EPOLLRDHUP)) != 0) due.splice_back(socket.readers);
  if (broken || (events & EPOLLOUT) != 0) due.splice_back(socket.writers);
  update_foreign(handle, socket);
  while (!due.empty()) {
    Operation& operation = due.pop_front();
    operation.pending = false;
    operation.result = 0;
    operation.completed();
  }
}

// Listens for exactly what is waited for.
void EpollDriver::update_foreign(Handle handle, Entry& socket) noexcept {
  std::uint32_t wanted = 0;
  if (!socket.readers.empty()) wanted |= EPOLLIN | EPOLLRDHUP;
  if (!socket.writers.empty()) wanted |= EPOLLOUT;
  ++calls_.control;
  if (wanted == 0) {
    // It may be closed already, which has removed it.
    if (socket.registered) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, handle, nullptr);
    socket.registered = false;
    return;
  }
  const std::uint64_t token = token_of(handle, socket.generation);
  epoll_event event{.events = wanted, .data = {.u64 = token}};
  const int control = socket.registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  int failed = ::epoll_ctl(epoll_.get(), control, handle, &event);
  if (failed != 0 && errno == EEXIST) {
    failed = ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, handle, &event);
  } else if (failed != 0 && errno == ENOENT) {
    // Somebody has closed it, and its number is another descriptor's.
    failed = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, handle, &event);
  }
  socket.registered = failed == 0;
}

bool EpollDriver::submit(Operation& operation) {
  if (operation.handle < 0) {
    operation.result = -EBADF;
    return true;
  }
  assert(!operation.pending);
  Entry& socket = entry(operation.handle);
  if (!socket.owned) return submit_foreign(operation, socket);
  if (operation.kind == Operation::Kind::connect) return start_connect(operation, socket);
  const bool writes = is_writer(operation.kind);
  List<Operation>& waiting = writes ? socket.writers : socket.readers;
  const bool may_try = (writes ? socket.writable : socket.readable) && waiting.empty();
  if (may_try && attempt(operation, socket) == Outcome::done) return true;
  if (const int error = watch(operation.handle, socket); error != 0) {
    operation.result = error;
    return true;
  }
  operation.pending = true;
  waiting.push_back(operation);
  return false;
}

int EpollDriver::watch(Handle handle, Entry& socket) {
  if (socket.registered) return 0;
  ++calls_.control;
  const std::uint64_t token = token_of(handle, socket.generation);
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = token}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, handle, &event) != 0) return -errno;
  socket.registered = true;
  return 0;
}

bool EpollDriver::submit_foreign(Operation& operation, Entry& socket) {
  const bool writes = operation.kind == Operation::Kind::writable;
  if (!writes && operation.kind != Operation::Kind::readable) {
    operation.result = -EBADF;
    return true;
  }
  // Regular files, which epoll refuses, are always ready; so is what is no descriptor at all: the
  // caller's own call then says what is wrong with it.
  if (poll_now(operation.handle, writes ? POLLOUT : POLLIN)) {
    operation.result = 0;
    return true;
  }
  operation.pending = true;
  (writes ? socket.writers : socket.readers).push_back(operation);
  update_foreign(operation.handle, socket);
  return false;
}

void EpollDriver::cancel(Operation& operation) noexcept {
  if (!operation.pending) return;
  operation.unlink();
  operation.pending = false;
  Entry& socket = entry(operation.handle);
  if (!socket.owned) update_foreign(operation.handle, socket);
  operation.result = -ECANCELED;
  operation.completed();
}

EpollDriver::Outcome EpollDriver::attempt(Operation& operation, Entry& socket) {
  switch (operation.kind) {
    case Operation::Kind::accept:
      return attempt_accept(operation, socket);
    case Operation::Kind::receive:
      return attempt_receive(operation, socket);
    case Operation::Kind::send:
      return attempt_send(operation, socket);
    case Operation::Kind::connect:
      return attempt_connect(operation, socket);
    case Operation::Kind::readable:
      // The flag says "perhaps"; this promises more.
      socket.readable = poll_now(operation.handle, POLLIN | POLLRDHUP);
      operation.result = 0;
      return socket.readable ? Outcome::done : Outcome::would_wait;
    case Operation::Kind::writable:
      socket.writable = poll_now(operation.handle, POLLOUT);
      operation.result = 0;
      return socket.writable ? Outcome::done : Outcome::would_wait;
    case Operation::Kind::receive_datagram:
    case Operation::Kind::send_datagram:
    case Operation::Kind::receive_datagrams:
    case Operation::Kind::send_datagrams:
    case Operation::Kind::send_file:
      return attempt_transfer(operation, socket);
  }
  return Outcome::would_wait;
}

EpollDriver::Outcome EpollDriver::attempt_accept(Operation& operation, Entry& socket) {
  if (socket.starved) return Outcome::would_wait;
  for (;;) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    ++calls_.accept;
    const int accepted = ::accept4(operation.handle, reinterpret_cast<sockaddr*>(&peer), &size,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      own(accepted, Role::stream, socket.stops_at_messages);
      if (operation.address != nullptr) {
        *operation.address = Address::from_system(reinterpret_cast<sockaddr*>(&peer), size);
      }
      operation.result = accepted;
      return Outcome::done;
    }
    const int code = errno;
    if (code == EAGAIN) {
      socket.readable = false;
      return Outcome::would_wait;
    }
    if (concerns_one_connection(code)) continue;
    if (is_want(code)) {
      say_starved(operation.handle, code);
      starve(operation, socket, accept_pause);
      return Outcome::would_wait;
    }
    operation.result = -code;
    return Outcome::done;
  }
}

// Tries later, or when a descriptor is closed.
void EpollDriver::starve(Operation& operation, Entry& socket, Duration pause) {
  socket.starved = true;
  (is_writer(operation.kind) ? socket.writable : socket.readable) = false;
  starved_.push_back(operation.handle);
  retry_at_ = std::min(retry_at_, after(now(), pause));
}

void EpollDriver::retry_starved() {
  retry_at_ = never;
  std::vector<Handle> due;
  due.swap(starved_);
  for (const Handle handle : due) {
    Entry& socket = entry(handle);
    if (!socket.starved) continue;
    socket.starved = false;
    socket.readable = true;
    socket.writable = true;
    progress(socket.readers, socket, &Entry::readable);
    progress(socket.writers, socket, &Entry::writable);
  }
}

EpollDriver::Outcome EpollDriver::attempt_receive(Operation& operation, Entry& socket) {
  for (;;) {
    ++calls_.receive;
    const ssize_t count = ::recv(operation.handle, operation.data, operation.size, 0);
    if (count >= 0) {
      const bool short_read = static_cast<std::size_t>(count) < operation.size;
      if (short_read && !socket.hangup && !socket.stops_at_messages) socket.readable = false;
      if (count == 0) socket.readable = true;  // the end stays readable
      operation.result = count;
      return Outcome::done;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      socket.readable = false;
      return Outcome::would_wait;
    }
    operation.result = -errno;
    return Outcome::done;
  }
}

EpollDriver::Outcome EpollDriver::attempt_send(Operation& operation, Entry& socket) {
  std::size_t wanted = 0;
  for (int index = 0; index < operation.vector_count; ++index) {
    wanted += operation.vectors[index].iov_len;
  }
  for (;;) {
    ++calls_.send;
    ssize_t count = 0;
    if (operation.vector_count == 1) {
      count = ::send(operation.handle, operation.vectors->iov_base, wanted, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(operation.vectors);
      message.msg_iovlen = static_cast<std::size_t>(operation.vector_count);
      count = ::sendmsg(operation.handle, &message, MSG_NOSIGNAL);
    }
    if (count >= 0) {
      if (static_cast<std::size_t>(count) < wanted) socket.writable = false;
      operation.result = count;
      return Outcome::done;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      socket.writable = false;
      return Outcome::would_wait;
    }
    operation.result = -errno;
    return Outcome::done;
  }
}

EpollDriver::Outcome EpollDriver::attempt_transfer(Operation& operation, Entry& socket) {
  const bool writes = is_writer(operation.kind);
  ++(writes ? calls_.send : calls_.receive);
  if (transfer(operation)) return Outcome::done;
  (writes ? socket.writable : socket.readable) = false;
  return Outcome::would_wait;
}

bool EpollDriver::start_connect(Operation& operation, Entry& socket) {
  const Address& target = *operation.address;
  const auto attempt = [&] {
    return ::connect(operation.handle, target.data(), target.size()) == 0 ? 0 : errno;
  };
  int code = attempt();
  // On this machine the handshake is over when the first call returns, which cannot tell yet: asked
  // again, it saves a turn. Of another machine it costs a call that touches nothing.
  if (code == EINPROGRESS) code = attempt();
  if (code == EALREADY || code == EINTR) {
    socket.writable = false;
    socket.readable = false;  // registering reports what there is: no receive in vain
  } else if (code == EAGAIN) {
    starve(operation, socket, connect_pause);  // a Unix listener whose backlog is full
  } else {
    operation.result = -code;  // 0: connected
    return true;
  }
  // Registered only now: a socket that is neither connected nor connecting reports a hang-up.
  if (const int error = code == EAGAIN ? 0 : watch(operation.handle, socket); error != 0) {
    operation.result = error;
    return true;
  }
  operation.pending = true;
  socket.writers.push_back(operation);
  return false;
}

EpollDriver::Outcome EpollDriver::attempt_connect(Operation& operation, Entry& socket) {
  if (!socket.registered) {  // it was starved: ask again
    const Address& target = *operation.address;
    const int code = ::connect(operation.handle, target.data(), target.size()) == 0 ? 0 : errno;
    if (code == EAGAIN) {
      starve(operation, socket, connect_pause);
      return Outcome::would_wait;
    }
    operation.result = -code;
    return Outcome::done;
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(operation.handle, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  operation.result = -error;
  return Outcome::done;
}

}  // namespace clearway
