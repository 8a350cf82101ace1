#include <clearway/http/server_core.hpp>

#include <cerrno>

#include <fmt/format.h>
#include <clearway/base/log.hpp>
#include <clearway/http/server_exchange.hpp>
#include <clearway/net/error.hpp>

namespace clearway::http::detail {

namespace {

constexpr int accepts_per_turn = 64;
constexpr Duration accept_pause = std::chrono::milliseconds(100);

}  // namespace

ServerCore::ServerCore(App& app, Listener listener, const ServerOptions& options)
    : loop_(Loop::current()),
      app_(app),
      listener_(std::move(listener)),
      options_(options),
      scratch_(new char[scratch_size]) {
  if (!listener_.is_open()) throw UsageError("a server needs a listener that is open");
  if (options.tls != nullptr) tls_ = *options.tls;
  if (options.proxies != nullptr) proxies_ = *options.proxies;
  options_.tls = nullptr;
  options_.proxies = nullptr;
  kind = Kind::accept;
  handle = listener_.handle();
  Operation::address = &peer_;
}

// Connections are left only when the loop was torn down in the middle of its work.
ServerCore::~ServerCore() {
  while (!connections_.empty()) delete &connections_.pop_front();
  if (armed()) loop_.timers().cancel(*this);
}

void ServerCore::start(Serving& serving, PromiseBase& frame) {
  started_ = true;
  serving_ = &serving;
  frame_ = &frame;
  scope_.enter(frame.scope, true);
  if (stopping_) {
    end_if_done();
  } else {
    accept_more();
  }
}

void ServerCore::accept_more() {
  for (int count = 0; !stopping_ && !pending && count_ < options_.connections; ++count) {
    if (count == accepts_per_turn) {
      if (!std::exchange(queued_, true)) loop_.ready(*this);
      return;
    }
    if (!loop_.driver().submit(*this)) return;
    const bool paused = result < 0;
    accepted();
    if (paused) return;
  }
}

// Deals with one result of accept.
void ServerCore::accepted() {
  if (result >= 0) {
    const auto accepted_handle = static_cast<Handle>(result);
    auto connection = std::make_unique<ServerConnection>(*this, accepted_handle, peer_);
    ServerConnection& record = *connection.release();
    connections_.push_back(record);
    ++count_;
    record.receive();
    return;
  }
  const auto code = static_cast<int>(-result);
  if (stopping_ || code == ECANCELED) return;
  if (code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM) {
    if (!armed()) loop_.timers().set(*this, after(loop_.now(), accept_pause));
    return;
  }
  error_ = std::make_exception_ptr(NetError::from_code(
      NetPhase::accept, fmt::format("cannot accept connections on {}", address().to_string()),
      code));
  stop();
}

void ServerCore::completed() {
  accepted();
  if (!std::exchange(queued_, true)) loop_.ready(*this);
}

void ServerCore::run() {
  queued_ = false;
  if (!stopping_) {
    accept_more();
    return;
  }
  stop_listening();
  end_if_done();
}

// Soon, so that another server gets the clients that come from now on. What the kernel has taken
// already, clients and requests, would see a reset: the driver hears of it in its next turns, and
// it is answered too.
void ServerCore::stop_listening() {
  if (!listener_.is_open()) return;
  if (last_turns_ > 0) {
    --last_turns_;
    accept_the_last();
    queued_ = true;
    loop_.ready(*this);
    loop_.end_turn();
    return;
  }
  if (pending) loop_.driver().cancel(*this);
  connections_.for_each([](ServerConnection& connection) { connection.close_if_idle(); });
  if (!pending) listener_.close();
}

void ServerCore::accept_the_last() {
  while (!pending && count_ < options_.connections) {
    if (!loop_.driver().submit(*this) || result < 0) return;
    accepted();
  }
}

void ServerCore::expired() {
  if (stopping_) {
    scope_.cancel();
  } else {
    accept_more();
  }
}

void ServerCore::stop() noexcept {
  if (std::exchange(stopping_, true)) return;
  if (!started_) return;
  if (armed()) loop_.timers().cancel(*this);
  loop_.timers().set(*this, after(loop_.now(), options_.drain_timeout));
  if (pending) loop_.driver().cancel(*this);
  // Through the ready queue: this may have been called by one of the connections.
  if (!std::exchange(queued_, true)) loop_.ready(*this);
}

void ServerCore::end_if_done() noexcept {
  if (serving_ == nullptr || pending || queued_ || count_ > 0) return;
  if (armed()) loop_.timers().cancel(*this);
  listener_.close();  // it is open still where stop() came before run()
  scope_.leave();
  Serving& serving = *std::exchange(serving_, nullptr);
  if (serving.interrupted_) {
    serving.wake_cancelled();
  } else {
    serving.wake();
  }
}

ServerExchange& ServerCore::lend_exchange(ServerConnection& connection) {
  if (idle_exchange_ == nullptr) {
    exchanges_.push_back(std::make_unique<ServerExchange>(*this));
    exchanges_.back()->place = exchanges_.size() - 1;
    take_back(*exchanges_.back());
  }
  ServerExchange& exchange = *std::exchange(idle_exchange_, idle_exchange_->next_idle);
  --idle_exchanges_;
  exchange.attach(connection);
  return exchange;
}

void ServerCore::take_back(ServerExchange& exchange) noexcept {
  exchange.detach();
  if (idle_exchanges_ < kept_exchanges) {
    exchange.next_idle = std::exchange(idle_exchange_, &exchange);
    ++idle_exchanges_;
    return;
  }
  const std::size_t place = exchange.place;
  exchanges_[place].swap(exchanges_.back());
  exchanges_[place]->place = place;
  exchanges_.pop_back();
}

void ServerCore::forget(ServerConnection& connection) noexcept {
  delete &connection;
  --count_;
  if (stopping_) {
    end_if_done();
  } else if (!pending && !queued_) {
    queued_ = true;
    loop_.ready(*this);
  }
}

std::string_view ServerCore::date_line() {
  const Instant now = loop_.now();
  if (now >= date_until_) {
    constexpr std::int64_t second = 1'000'000'000;
    const std::int64_t wall = loop_.driver().wall_clock();
    date_line_ = date_.at(static_cast<std::time_t>(wall / second));
    date_until_ = after(now, Duration(second - wall % second));
  }
  return date_line_;
}

void ServerCore::Serving::await_resume() const {
  throw_if_cancelled();
  if (core_.error_ != nullptr) std::rethrow_exception(core_.error_);
}

}  // namespace clearway::http::detail
