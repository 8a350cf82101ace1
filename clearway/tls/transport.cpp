#include <clearway/tls/transport.hpp>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <memory>

#include <fmt/format.h>
#include <sys/socket.h>
#include <clearway/tls/core.hpp>

namespace clearway::detail {

namespace {

constexpr std::size_t scratch_size = 32 * 1024;
constexpr std::size_t most_plaintext = 64 * 1024;  // of one send
constexpr std::size_t gathered = 16 * 1024;        // of small pieces, into one record
constexpr std::size_t record_costs = 1024;         // what the records of a send add, at most
constexpr std::size_t most_backlog = 256 * 1024;   // ciphertext that the peer does not take
constexpr Duration goodbye_time = std::chrono::seconds(1);
constexpr int failure_code = EPROTO;

std::int64_t seconds_now(Loop& loop) { return loop.driver().wall_clock() / 1'000'000'000; }

void finish(Operation& operation, std::int64_t result) {
  operation.unlink();
  operation.pending = false;
  operation.result = result;
  operation.completed();
}

}  // namespace

// The transports of a loop that wait for the driver before they close.
class TlsEnds final : public LoopService {
 public:
  explicit TlsEnds(Loop& loop) : loop_(loop) {}
  ~TlsEnds() override {
    constexpr int most_rounds = 100;
    waiting_.for_each([](TlsTransport& transport) { transport.give_up(); });
    for (int round = 0; round < most_rounds && !waiting_.empty(); ++round) {
      loop_.driver().wait(after(loop_.now(), std::chrono::milliseconds(10)));
    }
  }
  void add(TlsTransport& transport) noexcept { waiting_.push_back(transport); }
  // Where ciphertext comes, before its engine copies it: a connection that waits for some owns no
  // memory for it.
  [[nodiscard]] char* scratch() const noexcept { return scratch_.get(); }

 private:
  Loop& loop_;
  std::unique_ptr<char[]> scratch_{new char[scratch_size]};
  List<TlsTransport, TlsEndTag> waiting_;
};

TlsTransport::TlsTransport(Handle handle, const Address& peer,
                           std::shared_ptr<TlsClientCore> client, const std::string& host)
    : loop_(Loop::current()),
      ends_(loop_.service<TlsEnds>()),
      engine_(std::move(client), host, peer.is_unix() ? 0 : peer.port(), seconds_now(loop_)),
      who_(peer.is_unix() ? host : fmt::format("{}:{}", host, peer.port())),
      receiver_(*this, Operation::Kind::receive, handle),
      sender_(*this, Operation::Kind::send, handle) {}

TlsTransport::TlsTransport(Handle handle, const Address& peer,
                           std::shared_ptr<TlsServerCore> server)
    : loop_(Loop::current()),
      ends_(loop_.service<TlsEnds>()),
      engine_(std::move(server), seconds_now(loop_)),
      who_(fmt::format("the client {}", peer.to_string())),
      receiver_(*this, Operation::Kind::receive, handle),
      sender_(*this, Operation::Kind::send, handle) {}

bool TlsTransport::submit(Operation& operation) {
  assert(!operation.pending && !closing_);
  switch (operation.kind) {
    case Operation::Kind::receive:
    case Operation::Kind::readable:
    case Operation::Kind::writable:
      return submit_read(operation);
    case Operation::Kind::send:
      return submit_send(operation);
    default:
      operation.result = -EOPNOTSUPP;
      return true;
  }
}

// What waits for input: reads, and the end of the handshake.
bool TlsTransport::submit_read(Operation& operation) {
  for (;;) {
    if (attempt(operation)) {
      settle_writes();
      return true;
    }
    if (receiver_.pending || backlog() > most_backlog || !receive()) break;
  }
  operation.pending = true;
  if (operation.kind == Operation::Kind::receive) {
    readers_.push_back(operation);
  } else {
    (operation.kind == Operation::Kind::readable ? readables_ : writables_).push_back(operation);
  }
  settle_writes();
  return false;
}

// True when it is done, with its result.
bool TlsTransport::attempt(Operation& operation) {
  if (!shake()) return false;
  if (failed()) {
    operation.result = handshake_error_;
    return true;
  }
  TlsEngine::Outcome outcome = TlsEngine::Outcome::done;
  std::size_t count = 0;
  if (operation.kind == Operation::Kind::receive) {
    outcome = engine_.read({static_cast<char*>(operation.data), operation.size}, count);
  } else if (operation.kind == Operation::Kind::readable) {
    outcome = engine_.peek();
  }
  flush();  // answers of the protocol itself: alerts, new keys
  switch (outcome) {
    case TlsEngine::Outcome::done:
      operation.result = static_cast<std::int64_t>(count);
      return true;
    case TlsEngine::Outcome::ended:
      operation.result = 0;
      return true;
    case TlsEngine::Outcome::failed:
      operation.result = operation.kind == Operation::Kind::readable ? 0 : -failure_code;
      return true;
    case TlsEngine::Outcome::wants_input:
      break;
  }
  if (input_error_ == 0) return false;
  operation.result = operation.kind == Operation::Kind::readable ? 0 : input_error_;
  return true;
}

// Goes on with the handshake; false while that waits for input.
bool TlsTransport::shake() {
  if (engine_.established() || failed()) return true;
  const TlsEngine::Outcome outcome = engine_.handshake();
  flush();
  if (outcome == TlsEngine::Outcome::failed) {
    handshake_error_ = -failure_code;
  } else if (outcome == TlsEngine::Outcome::wants_input) {
    handshake_error_ = input_error_;
    return input_error_ != 0;
  }
  return true;
}

bool TlsTransport::needs_input() const noexcept {
  if (!readers_.empty() || !readables_.empty()) return true;
  return !engine_.established() && !failed() && !(writers_.empty() && writables_.empty());
}

// Asks the driver for ciphertext; false: it comes later.
bool TlsTransport::receive() {
  receiver_.data = ends_.scratch();
  receiver_.size = scratch_size;
  if (!loop_.driver().submit(receiver_)) return false;
  take_received();
  return true;
}

void TlsTransport::take_received() {
  if (receiver_.result > 0) {
    engine_.arrived({ends_.scratch(), static_cast<std::size_t>(receiver_.result)});
  } else if (receiver_.result == 0) {
    engine_.end_input();
  } else if (receiver_.result != -ECANCELED) {
    input_error_ = static_cast<int>(receiver_.result);
  }
}

void TlsTransport::received() {
  take_received();
  if (closing_) {
    end_if_done();
  } else {
    move_on();
  }
}

// Does what can be done for those that wait, and asks for input while somebody still does.
void TlsTransport::move_on() {
  for (;;) {
    shake();
    settle_reads(writables_);
    settle_reads(readables_);
    settle_reads(readers_);
    settle_writes();
    if (!needs_input() || receiver_.pending || backlog() > most_backlog || !receive()) return;
  }
}

void TlsTransport::settle_reads(List<Operation>& waiting) {
  while (!waiting.empty()) {
    Operation& first = waiting.front();
    if (!attempt(first)) return;
    finish(first, first.result);
  }
}

int TlsTransport::write_error() const noexcept {
  if (goodbye_) return -EPIPE;
  return failed() ? handshake_error_ : output_error_;
}

bool TlsTransport::submit_send(Operation& operation) {
  if (!engine_.established()) {
    // Nobody else may be there to carry the handshake on.
    while (!shake() && !receiver_.pending && receive()) {
    }
    move_on();
  }
  if (const int error = write_error(); error != 0) {
    operation.result = error;
    return true;
  }
  if (engine_.established() && writers_.empty() && !sender_.pending) {
    encrypt(operation);
    if (operation.result < 0) return true;
    if (flush()) {
      if (output_error_ != 0) operation.result = output_error_;
      return true;
    }
    taken_ = static_cast<std::size_t>(operation.result);
  }
  operation.pending = true;
  writers_.push_back(operation);
  return false;
}

// Turns the front of a send into ciphertext; `result` becomes how much of it, or an error.
void TlsTransport::encrypt(Operation& operation) {
  std::size_t total = 0;
  TlsEngine::Outcome outcome = TlsEngine::Outcome::done;
  for (int index = 0; index < operation.vector_count && total < most_plaintext;) {
    const iovec& first = operation.vectors[index];
    std::string_view data(static_cast<const char*>(first.iov_base),
                          std::min(first.iov_len, most_plaintext - total));
    ++index;
    const bool whole = data.size() == first.iov_len;
    std::string together;  // small pieces, such as a head and a body, in one record
    while (whole && index < operation.vector_count &&
           data.size() + operation.vectors[index].iov_len <= gathered) {
      if (together.empty()) {
        together.reserve(gathered);
        together = data;
      }
      const iovec& next = operation.vectors[index++];
      together.append(static_cast<const char*>(next.iov_base), next.iov_len);
      data = together;
    }
    std::string& output = engine_.output();
    if (data.size() > gathered) output.reserve(output.size() + data.size() + record_costs);
    outcome = engine_.write(data);
    if (outcome == TlsEngine::Outcome::failed) break;
    total += data.size();
  }
  const bool nothing = outcome == TlsEngine::Outcome::failed && total == 0;
  operation.result = nothing ? -failure_code : static_cast<std::int64_t>(total);
}

std::size_t TlsTransport::backlog() noexcept {
  return engine_.output().size() + sending_.size() - sent_;
}

// Gives ciphertext to the driver until that waits; true when none is left, or none will ever go.
bool TlsTransport::flush() {
  while (!sender_.pending) {
    if (sent_ == sending_.size() || output_error_ != 0) {
      sent_ = 0;
      sending_ = std::string();  // the memory too: idle connections own little
      if (output_error_ != 0) engine_.output() = std::string();
      sending_.swap(engine_.output());
      if (sending_.empty()) break;
    }
    piece_ = {sending_.data() + sent_, sending_.size() - sent_};
    sender_.vectors = &piece_;
    sender_.vector_count = 1;
    if (!loop_.driver().submit(sender_)) return false;
    take_sent();
  }
  if (sender_.pending) return false;
  if (goodbye_ && !std::exchange(shut_down_, true)) {
    loop_.driver().shutdown(sender_.handle, SHUT_WR);
  }
  return true;
}

void TlsTransport::take_sent() {
  if (sender_.result >= 0) {
    sent_ += static_cast<std::size_t>(sender_.result);
  } else {
    output_error_ = static_cast<int>(sender_.result);
  }
}

void TlsTransport::sent() {
  take_sent();
  if (closing_ && (resets_ || flush())) {
    end_if_done();
  } else if (!closing_ && flush()) {
    move_on();
  }
}

// Sends, and ends, what can be sent or has failed. Each in its turn: what is on its way goes first.
void TlsTransport::settle_writes() {
  while (!writers_.empty() && !sender_.pending) {
    Operation& first = writers_.front();
    if (const int error = write_error(); error != 0) {
      taken_ = 0;
      finish(first, error);
    } else if (!engine_.established()) {
      return;
    } else if (taken_ > 0) {
      finish(first, static_cast<std::int64_t>(std::exchange(taken_, 0)));
    } else {
      encrypt(first);
      if (first.result <= 0) {
        finish(first, first.result);
      } else {
        taken_ = static_cast<std::size_t>(first.result);
        flush();
      }
    }
  }
}

// Operations of the stream are nobody's but ours: they end at once. The driver's go on.
void TlsTransport::cancel(Operation& operation) noexcept {
  if (!operation.pending) return;
  std::int64_t result = -ECANCELED;
  if (operation.kind == Operation::Kind::send && taken_ > 0 && &writers_.front() == &operation) {
    result = static_cast<std::int64_t>(std::exchange(taken_, 0));
  }
  finish(operation, result);
}

int TlsTransport::shutdown_write() {
  if (!engine_.established()) return -ENOTCONN;
  if (std::exchange(goodbye_, true)) return 0;
  engine_.say_goodbye();
  flush();
  return 0;
}

void TlsTransport::close() noexcept {
  assert(readers_.empty() && readables_.empty() && writers_.empty() && writables_.empty());
  if (!goodbye_) engine_.say_goodbye();
  goodbye_ = shut_down_ = true;  // the close says the rest
  flush();
  end();
}

void TlsTransport::reset() noexcept {
  resets_ = true;
  end();
}

// The handle is closed, and the memory freed, when the driver has nothing of ours any more.
// Ciphertext on its way, the goodbye among it, has a moment to get out.
void TlsTransport::end() noexcept {
  closing_ = ending_ = true;
  ends_.add(*this);
  if (receiver_.pending) loop_.driver().cancel(receiver_);
  if (resets_ && sender_.pending) loop_.driver().cancel(sender_);
  if (sender_.pending) loop_.timers().set(*this, after(loop_.now(), goodbye_time));
  ending_ = false;
  end_if_done();
}

void TlsTransport::end_if_done() noexcept {
  if (ending_ || receiver_.pending || sender_.pending) return;
  if (resets_) {
    loop_.driver().reset(receiver_.handle);
  } else {
    loop_.driver().close(receiver_.handle);
  }
  delete this;
}

void TlsTransport::give_up() noexcept {
  resets_ = true;
  if (sender_.pending) loop_.driver().cancel(sender_);
}

void TlsTransport::explain(NetPhase phase, int code) const {
  const bool shaking = !engine_.established();
  if (shaking) phase = NetPhase::handshake;
  const std::string_view what = shaking                    ? "no TLS connection with"
                                : phase == NetPhase::write ? "cannot write to"
                                                           : "cannot read from";
  const TlsFailure* failure = engine_.failure();
  if (failure != nullptr && code == failure_code) {
    throw TlsError(phase, failure->reason, fmt::format("{} {}: {}", what, who_, failure->text),
                   code);
  }
  if (shaking) {
    throw TlsError(phase, TlsReason::closed,
                   fmt::format("{} {}: the connection broke in the middle of the handshake: {}",
                               what, who_, system_message(code)),
                   code);
  }
}

}  // namespace clearway::detail
