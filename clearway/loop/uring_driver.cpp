#include <clearway/loop/uring_driver.hpp>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include <poll.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/loop/uring_table.hpp>

namespace clearway {
namespace {

constexpr std::uint64_t wake_token = 0;
constexpr std::uint64_t cancel_bit = 1;

// What the kernel gives back with a completion: which slot, and which of its requests.
std::uint64_t token_of(std::uint32_t slot, std::uint32_t serial) noexcept {
  return std::uint64_t{serial} << 32 | slot << 1;
}
std::uint32_t slot_of(std::uint64_t token) noexcept {
  return static_cast<std::uint32_t>(token) >> 1;
}
std::uint32_t serial_of(std::uint64_t token) noexcept {
  return static_cast<std::uint32_t>(token >> 32);
}

bool is_last(const io_uring_cqe& completion) noexcept {
  return (completion.flags & IORING_CQE_F_MORE) == 0;
}

// Nobody will take this connection: its client sees a reset, as it does when a listener closes.
void drop_connection(Handle connection) noexcept {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(connection);
}

}  // namespace

UringDriver::UringDriver(UringRung highest)
    : ring_(highest), requests_(1), messages_(std::make_unique<Messages>(ring_.capacity())) {
  if (ring_.rung() != UringRung::plain) buffers_.provide(ring_);
  // A filter may allow to make a ring and not to use it.
  watch_wake();
  if (const int error = ring_.enter(0, Duration::zero()); error < 0 && error != -EINTR) {
    throw SystemError("no io_uring: io_uring_enter() fails", -error);
  }
}

// The kernel lets go of everything before the memory that it refers to goes.
UringDriver::~UringDriver() {
  constexpr int most_rounds = 1000;
  for (int round = 0; in_flight_ > 0 && round < most_rounds; ++round) {
    for (Slot slot = 1; slot < requests_.size(); ++slot) {
      if (requests_[slot].handle != no_handle) cancel_request(slot);
    }
    ring_.enter(1, std::chrono::milliseconds(1));
    for (; ring_.completions() > 0; ring_.take()) {
      const io_uring_cqe& completion = ring_.at(0);
      const Slot slot = slot_of(completion.user_data);
      if (slot == 0 || (completion.user_data & cancel_bit) != 0) continue;
      const Request& request = requests_[slot];
      if (gives_connection(request, completion)) drop_connection(completion.res);
      if (is_last(completion)) end_request(slot, entry(request.handle));
    }
  }
  for (const auto& chunk : table_) {
    if (chunk == nullptr) continue;
    for (Entry& socket : chunk->entries) {
      if (socket.listening == nullptr) continue;
      for (const Handle connection : socket.listening->arrived) drop_connection(connection);
    }
  }
}

std::string UringDriver::description() const {
  std::string text = ring_.rung() == UringRung::deferred      ? "DEFER_TASKRUN"
                     : ring_.rung() == UringRung::cooperative ? "COOP_TASKRUN"
                                                              : "as old kernels have it";
  text += buffers_.provided() ? ", provided buffers" : ", no provided buffers";
  return text;
}

// Descriptors and requests

UringDriver::Entry& UringDriver::entry(Handle handle) {
  assert(handle >= 0);
  const auto index = static_cast<std::size_t>(handle);
  const std::size_t chunk = index / Chunk::size;
  if (chunk >= table_.size()) table_.resize(chunk + 1);
  if (table_[chunk] == nullptr) table_[chunk] = std::make_unique<Chunk>();
  return table_[chunk]->entries[index % Chunk::size];
}

void UringDriver::own(Handle handle, Role role, bool stops_at_messages) {
  Entry& fresh = entry(handle);
  assert(!fresh.owned && !fresh.closing);
  assert(fresh.readers.empty() && fresh.writers.empty());
  ++fresh.generation;
  fresh.reading = 0;
  fresh.writing = 0;
  fresh.in_flight = 0;
  fresh.error = 0;
  fresh.input = UringInput::unknown;
  fresh.owned = true;
  fresh.stops_at_messages = stops_at_messages;
  fresh.starved = false;
  if (role == Role::listener) fresh.listening = std::make_unique<Listening>();
  ++open_handles_;
}

// Old kernels only say that there is a connection.
bool UringDriver::gives_connection(const Request& request,
                                   const io_uring_cqe& completion) const noexcept {
  return request.step == Step::accept && completion.res >= 0 && ring_.rung() != UringRung::plain;
}

io_uring_sqe& UringDriver::next_submission() noexcept {
  for (;;) {
    if (io_uring_sqe* const entry = ring_.next_submission()) {
      ++calls_.requests;
      return *entry;
    }
    enter_now();  // the queue is full
  }
}

io_uring_sqe& UringDriver::new_request(Step step, Handle handle, Operation* operation, Slot& slot) {
  if (free_ == 0) {
    free_ = static_cast<Slot>(requests_.size());
    requests_.emplace_back();
  }
  slot = free_;
  Request& request = requests_[slot];
  free_ = std::exchange(request.next_free, 0);
  Entry& socket = entry(handle);
  ++socket.in_flight;
  ++in_flight_;
  request.operation = operation;
  request.handle = handle;
  request.generation = socket.generation;
  request.step = step;
  request.cancelled = false;
  if (operation != nullptr) operation->ticket = slot;
  io_uring_sqe& entry = next_submission();
  entry.fd = handle;
  entry.user_data = token_of(slot, request.serial);
  return entry;
}

void UringDriver::end_request(Slot slot, Entry& socket) noexcept {
  Request& request = requests_[slot];
  --in_flight_;
  if (request.generation == socket.generation && --socket.in_flight == 0 && socket.closing) {
    socket.closing = false;
    ++socket.generation;
    ::close(request.handle);
  }
  request.operation = nullptr;
  request.handle = no_handle;
  ++request.serial;
  request.next_free = std::exchange(free_, slot);
}

void UringDriver::cancel_request(Slot slot) noexcept {
  io_uring_sqe& entry = next_submission();
  const std::uint64_t token = token_of(slot, requests_[slot].serial);
  entry.opcode = IORING_OP_ASYNC_CANCEL;
  entry.fd = -1;
  entry.addr = token;
  entry.flags = IOSQE_CQE_SKIP_SUCCESS;
  entry.user_data = token | cancel_bit;
}

// Edge-triggered and for ever, where the kernel can; else it is begun anew each time.
void UringDriver::watch_wake() noexcept {
  io_uring_sqe& entry = next_submission();
  entry.opcode = IORING_OP_POLL_ADD;
  entry.fd = wake_descriptor();
  entry.poll32_events = POLLIN;
  entry.len = IORING_POLL_ADD_MULTI;
  entry.user_data = wake_token;
}

void UringDriver::enter_now() noexcept {
  ++calls_.enter;
  ring_.enter(0, Duration::zero());
}

// True when the last completions of all requests for `handle` are there.
bool UringDriver::all_ended(Handle handle, const Entry& socket) const noexcept {
  std::uint32_t ended = 0;
  const unsigned count = ring_.completions();
  for (unsigned index = 0; index < count; ++index) {
    const io_uring_cqe& completion = ring_.at(index);
    if ((completion.user_data & cancel_bit) != 0 || !is_last(completion)) continue;
    const Request& request = requests_[slot_of(completion.user_data)];
    if (request.handle == handle && request.generation == socket.generation) ++ended;
  }
  return ended == socket.in_flight;
}

void UringDriver::close(Handle handle) {
  Entry& gone = entry(handle);
  assert(gone.owned);
  assert(gone.readers.empty() && gone.writers.empty());  // whoever closes has ended what it began
  for (List<Operation>* line : {&gone.readers, &gone.writers}) {
    while (!line->empty()) {
      Operation& left = line->pop_front();
      left.pending = false;
      if (left.ticket != 0) requests_[left.ticket].operation = nullptr;
    }
  }
  for (Slot* const slot : {&gone.reading, &gone.writing}) {
    if (*slot != 0) cancel_request(std::exchange(*slot, 0));
  }
  if (const auto listening = std::move(gone.listening)) {
    if (listening->accepting != 0) cancel_request(listening->accepting);
    for (const Handle connection : listening->arrived) drop_connection(connection);
  }
  gone.owned = false;
  gone.starved = false;
  --open_handles_;
  if (!starved_.empty()) retry_at_ = Instant::min();  // there is a descriptor again
  if (gone.in_flight > 0) enter_now();
  if (!all_ended(handle, gone)) {
    gone.closing = true;
    return;
  }
  ++gone.generation;
  ::close(handle);
}

void UringDriver::cancel(Operation& operation) noexcept {
  if (!operation.pending) return;
  const Handle handle = operation.handle;
  Entry& socket = entry(handle);
  if (const Slot slot = operation.ticket; slot != 0) {
    Request& request = requests_[slot];
    assert(request.operation == &operation);
    if (request.step != Step::poll || operation.kind == Operation::Kind::receive) {
      if (!std::exchange(request.cancelled, true)) cancel_request(slot);
      return;
    }
    request.operation = nullptr;
    operation.ticket = 0;
    for (Slot* const current : {&socket.reading, &socket.writing}) {
      if (*current == slot) *current = 0;
    }
    cancel_request(slot);
    if (!socket.owned) enter_now();  // its owner may close it next
  }
  finish(operation, -ECANCELED);
  begin_first(handle, socket);
}

// Waiting

void UringDriver::wait(Instant deadline) {
  leave_connections();
  deadline = std::min(deadline, retry_at_);
  const bool polls = deadline == Instant::min() || ring_.completions() > 0 || !fall_asleep();
  if (!polls || !ring_.idle()) {
    // An interruption is no reason to return: a signal's handler says wake().
    while (enter_and_wait(polls ? Instant::min() : deadline) == -EINTR && !polls) {
      if (ring_.completions() > 0) break;
    }
  }
  wake_up();
  dispatch();
  if (retry_at_ != never && now() >= retry_at_) retry_starved();
}

int UringDriver::pollable() noexcept {
  return ring_.rung() == UringRung::deferred ? -1 : ring_.descriptor();
}

// What is still in the queue would never complete while somebody else waits. wake() completes the
// wait for the eventfd, and so makes the ring readable.
Instant UringDriver::park(Instant deadline) {
  leave_connections();
  if (!ring_.idle()) enter_now();
  if (ring_.completions() > 0 || !fall_asleep()) return Instant::min();
  return std::min(deadline, retry_at_);
}

int UringDriver::enter_and_wait(Instant deadline) {
  unsigned least = 1;
  Duration timeout(-1);
  if (deadline == Instant::min()) {
    least = 0;
  } else if (deadline != never) {
    timeout = std::max(Duration::zero(), deadline - now());
  }
  ++calls_.enter;
  const int error = ring_.enter(least, timeout);
  const bool harmless = error >= 0 || error == -EINTR || error == -ETIME || error == -EAGAIN ||
                        error == -EBUSY || error == -ENOMEM;
  if (!harmless) throw SystemError("the event loop cannot wait: io_uring_enter()", -error);
  return error;
}

// completed() may submit, cancel and close, and so add completions: those are for the next turn.
void UringDriver::dispatch() {
  for (unsigned left = ring_.completions(); left > 0; --left) {
    const io_uring_cqe completion = ring_.at(0);
    ring_.take();
    complete(completion);
  }
}

void UringDriver::complete(const io_uring_cqe& completion) {
  const std::uint64_t token = completion.user_data;
  if (token == wake_token) {
    if (is_last(completion)) watch_wake();
    return;
  }
  const Slot slot = slot_of(token);
  if ((token & cancel_bit) != 0) {
    // The request was just being carried out: it may have gone back to waiting.
    const bool there = requests_[slot].serial == serial_of(token);
    if (completion.res < 0 && there && in_flight_ > 0) cancel_request(slot);
    return;
  }
  const Request request = requests_[slot];
  assert(request.serial == serial_of(token) && request.handle != no_handle);
  Entry& socket = entry(request.handle);
  const bool current = request.generation == socket.generation && !socket.closing;
  if (is_last(completion)) end_request(slot, socket);
  if (request.step == Step::accept) {
    if (!current || socket.listening == nullptr) {
      if (gives_connection(request, completion)) drop_connection(completion.res);
      return;
    }
    if (is_last(completion)) socket.listening->accepting = 0;
    accepted(request.handle, socket, completion.res);
    return;
  }
  if (request.operation == nullptr) {
    if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
      buffers_.give_back(completion.flags >> IORING_CQE_BUFFER_SHIFT);
    }
    return;
  }
  Operation& operation = *request.operation;
  operation.ticket = 0;
  Slot& of_line = is_writer(operation.kind) ? socket.writing : socket.reading;
  if (of_line == slot) of_line = 0;
  switch (request.step) {
    case Step::receive:
      received(operation, socket, completion, request.cancelled);
      break;
    case Step::poll:
      polled(operation, socket, request.cancelled);
      break;
    default:
      finish(operation,
             completion.res == -EINTR && request.cancelled ? -ECANCELED : completion.res);
  }
  begin_first(request.handle, socket);
}

}  // namespace clearway
