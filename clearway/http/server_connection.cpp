#include <clearway/http/server_connection.hpp>

#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/http/server_core.hpp>
#include <clearway/http/server_exchange.hpp>
#include <clearway/task/trace.hpp>
#include <clearway/tls/transport.hpp>

namespace clearway::http::detail {

ServerConnection::ServerConnection(ServerCore& core, Handle handle, const Address& peer)
    : core_(core), peer_(peer) {
  kind = Kind::receive;
  Operation::handle = handle;
  if (core_.proxies() != nullptr) {
    greeting_ = std::make_unique<std::string>();
  } else if (core_.tls() != nullptr) {
    secure();
  }
  set_deadline_in(core_.options().header_timeout);
}

ServerConnection::~ServerConnection() {
  if (armed()) core_.loop().timers().cancel(*this);
  if (transport_ == nullptr) core_.loop().driver().close(Operation::handle);
}

void ServerConnection::secure() {
  transport_.reset(
      new clearway::detail::TlsTransport(Operation::handle, peer_, core_.tls()->core()));
}

std::optional<TlsInfo> ServerConnection::tls() const {
  if (transport_ == nullptr) return std::nullopt;
  return static_cast<clearway::detail::TlsTransport&>(*transport_).engine().info();
}

// The header of a proxy stands before everything else, TLS included.
void ServerConnection::take_greeting() {
  std::string& got = *greeting_;
  got.append(core_.scratch(), static_cast<std::size_t>(result));
  if (!core_.proxies()->trusts(peer_)) return refuse_greeting("it is none of the proxies here");
  const ProxyHeader header = parse_proxy_header(got);
  if (header.state == ProxyHeader::State::invalid) return refuse_greeting(header.problem);
  if (header.state == ProxyHeader::State::incomplete) return receive();
  if (header.source) peer_ = *header.source;
  const std::string rest = got.substr(header.size);
  greeting_.reset();
  if (core_.tls() != nullptr) {
    secure();
    static_cast<clearway::detail::TlsTransport&>(*transport_).engine().arrived(rest);
    return receive();
  }
  if (rest.empty()) return receive();
  exchange_ = &core_.lend_exchange(*this);
  exchange_->arrived(rest);
  enqueue();
}

void ServerConnection::refuse_greeting(std::string_view problem) {
  if (log::enabled(log::Level::info)) {
    log::write(log::Level::info, "http",
               fmt::format("{} is sent away: it should begin with a header of the PROXY protocol, "
                           "and {}",
                           peer_.to_string(), problem));
  }
  close();
}

bool ServerConnection::submit(Operation& operation) {
  if (transport_ != nullptr) return transport_->submit(operation);
  return core_.loop().driver().submit(operation);
}

void ServerConnection::cancel(Operation& operation) noexcept {
  if (transport_ != nullptr) {
    transport_->cancel(operation);
  } else {
    core_.loop().driver().cancel(operation);
  }
}

void ServerConnection::shutdown_write() {
  if (transport_ != nullptr) {
    transport_->shutdown_write();
  } else {
    core_.loop().driver().shutdown(Operation::handle, SHUT_WR);
  }
}

// Clients that fail at TLS are no news for most, and the only trace of what is wrong for some.
void ServerConnection::note_failure() const {
  if (transport_ == nullptr || !log::enabled(log::Level::info)) return;
  try {
    transport_->explain(NetPhase::read, static_cast<int>(-result));
  } catch (const NetError& error) {
    log::write(log::Level::info, "http", error.what());
  }
}

void ServerConnection::receive() {
  if (pending || closing_) return;
  data = core_.scratch();
  size = ServerCore::scratch_size;
  if (submit(*this)) completed();
}

// The shared memory is the next connection's at once: what came is copied out here.
void ServerConnection::completed() {
  if (closing_) {
    enqueue();
    return;
  }
  if (greeting_ != nullptr && result > 0) return take_greeting();
  if (result > 0) {
    if (exchange_ == nullptr) exchange_ = &core_.lend_exchange(*this);
    exchange_->arrived({core_.scratch(), static_cast<std::size_t>(result)});
  } else {
    if (result < 0) note_failure();
    if (exchange_ != nullptr) exchange_->ended(result < 0);
  }
  if (exchange_ == nullptr || !exchange_->wake_reader()) enqueue();
}

void ServerConnection::enqueue() noexcept {
  if (queued_) return;
  queued_ = true;
  core_.loop().ready(*this);
}

void ServerConnection::run() {
  queued_ = false;
  if (closing_) {
    if (pending || (exchange_ != nullptr && exchange_->output().sending())) return;
    if (exchange_ != nullptr) core_.take_back(*exchange_);
    core_.forget(*this);  // destroys it
  } else if (exchange_ == nullptr) {
    // Bytes that the last request had taken before this turn came leave nothing to do; otherwise it
    // is an end or an error while idle.
    if (!pending) close();
  } else if (!exchange_->running()) {
    begin_exchange();
  } else {
    exchange_->look_after_client();
  }
}

void ServerConnection::begin_exchange() {
  set_deadline(never);
  PromiseBase& frame = exchange_->begin();
  frame.parent = ParentLink(static_cast<Completion&>(*this));
  if (PromiseBase* const serving = waiting_frame()) outer = ParentLink(*serving);
  frame.scope = &core_.scope();
  if (start_inline(frame)) finished(frame);
}

PromiseBase* ServerConnection::finished(PromiseBase& child) noexcept {
  if (child.error != nullptr && !child.ended_cancelled()) {
    log::write(log::Level::error, "http",
               "a connection is closed after an error in the server itself: " +
                   describe(child.error) + "\n" + to_string(last_error_trace()));
  }
  const bool keep = child.error == nullptr && exchange_->keeps_connection();
  exchange_->finish();
  if (keep && !core_.stopping()) {
    become_idle();
  } else {
    close();
  }
  return nullptr;
}

PromiseBase* ServerConnection::waiting_frame() const noexcept { return core_.serving_frame(); }

void ServerConnection::become_idle() {
  core_.take_back(*std::exchange(exchange_, nullptr));
  set_deadline_in(core_.options().idle_timeout);
  receive();
}

void ServerConnection::close() noexcept {
  if (closing_) return;
  closing_ = true;
  core_.loop().timers().cancel(*this);
  if (pending) cancel(*this);
  if (exchange_ != nullptr) exchange_->output().give_up();
  enqueue();
}

void ServerConnection::close_if_idle() noexcept {
  if (exchange_ == nullptr) close();
}

void ServerConnection::set_deadline(Instant deadline) noexcept {
  deadline_ = deadline;
  if (deadline == never || closing_) return;
  if (armed()) {
    if (Timer::deadline() <= deadline) return;
    core_.loop().timers().cancel(*this);
  }
  core_.loop().timers().set(*this, deadline);
}

void ServerConnection::set_deadline_in(Duration length) noexcept {
  set_deadline(after(core_.loop().now(), length));
}

void ServerConnection::sent() noexcept {
  if (exchange_ != nullptr) exchange_->sent();
}

void ServerConnection::expired() {
  if (deadline_ == never) return;
  if (core_.loop().now() < deadline_) {
    core_.loop().timers().set(*this, deadline_);
  } else if (exchange_ == nullptr) {
    close();
  } else {
    exchange_->out_of_time();
  }
}

}  // namespace clearway::http::detail
