#include <clearway/http/pool.hpp>

#include <utility>

namespace clearway::http::detail {

namespace {

// Tells pools that their loop ends.
class PoolsOfLoop final : public LoopService {
 public:
  explicit PoolsOfLoop(Loop&) {}
  ~PoolsOfLoop() override {
    while (!pools.empty()) pools.pop_front().shut_down();
  }
  List<Pool> pools;
};

}  // namespace

// Connections

bool Connection::watch() {
  kind = Kind::readable;
  handle = stream.handle();
  return !stream.submit(*this);
}

// Nothing is taken from the socket by this operation, so one that the driver ends late is simply
// taken out of its list.
void Connection::unwatch() noexcept {
  if (!pending) return;
  idle_since = never;
  stream.cancel(*this);
  ListNode<Operation>::unlink();
  pending = false;
}

// The driver is at work on this very socket: the pool closes it a moment later.
void Connection::completed() {
  if (idle_since == never) return;
  ListNode<IdleTag>::unlink();
  ListNode<OriginTag>::unlink();
  pool_.dead_.push_back(*this);
  if (pool_.loop_ != nullptr) pool_.wait_until(pool_.loop_->now());
}

Origin::Origin(const Url& url)
    : host(url.host_name()), authority(url.authority()), port(url.port()), key(url.origin()) {}

// Leases

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  close();
  pool_ = std::exchange(other.pool_, nullptr);
  origin_ = other.origin_;
  connection_ = std::move(other.connection_);
  reused_ = other.reused_;
  return *this;
}

void Lease::connect(Stream stream) {
  connection_ = std::make_unique<Connection>(*pool_, *origin_, std::move(stream));
}

void Lease::give_back() noexcept {
  if (pool_ == nullptr) return;
  std::exchange(pool_, nullptr)->put_back(std::move(connection_));
}

void Lease::close() noexcept {
  if (pool_ == nullptr) return;
  connection_.reset();
  std::exchange(pool_, nullptr)->freed(*origin_);
}

// Waiting

bool AcquireAwaiter::await_ready() { return pool_.try_take(origin_, fresh_, lease_); }

void AcquireAwaiter::suspend(PromiseBase& frame) {
  if (!begin(frame)) {
    pool_.forget_unused(origin_);
    return;
  }
  pool_.waiters_.push_back(*this);
  ++origin_.waiting;
}

void AcquireAwaiter::stop() noexcept {
  ListNode<PoolTag>::unlink();
  --origin_.waiting;
  pool_.forget_unused(origin_);
  wake_cancelled();
}

// The pool

void Pool::attach() {
  if (loop_ != nullptr) return;
  loop_ = &Loop::current();
  loop_->service<PoolsOfLoop>().pools.push_back(*this);
}

void Pool::shut_down() noexcept {
  if (loop_ == nullptr) return;
  while (!dead_.empty()) {
    Origin& origin = dead_.front().origin();
    take_out(dead_.front()).reset();
    freed(origin);
  }
  while (!idle_.empty()) {
    Origin& origin = idle_.front().origin();
    take_out(idle_.front()).reset();
    freed(origin);
  }
  if (armed()) loop_->timers().cancel(*this);
  ListNode<Pool>::unlink();
  loop_ = nullptr;
}

Origin& Pool::origin(const Url& url) {
  std::unique_ptr<Origin>& known = origins_[url.origin()];
  if (known == nullptr) known = std::make_unique<Origin>(url);
  return *known;
}

bool Pool::try_take(Origin& origin, bool fresh, Lease& lease) {
  attach();
  if (!fresh && !origin.idle.empty()) {
    grant(origin, lease, take_out(origin.idle.front()));
    return true;
  }
  const bool origin_full = options_.per_host != 0 && origin.open >= options_.per_host;
  const bool full = options_.limit != 0 && open_ >= options_.limit;
  if (origin_full || full) {
    // An idle connection that this one does without makes room.
    List<Connection, IdleTag>& spare = dead_.empty() ? idle_ : dead_;
    if (origin_full && origin.idle.empty()) return false;
    if (!origin_full && spare.empty()) return false;
    Connection& victim = origin_full ? origin.idle.front() : spare.front();
    Origin& others = victim.origin();
    take_out(victim).reset();
    --others.open;
    --open_;
    if (&others != &origin) forget_unused(others);
  }
  ++origin.open;
  ++open_;
  grant(origin, lease, nullptr);
  return true;
}

void Pool::grant(Origin& origin, Lease& lease, std::unique_ptr<Connection> connection) noexcept {
  lease.pool_ = this;
  lease.origin_ = &origin;
  lease.reused_ = connection != nullptr;
  lease.connection_ = std::move(connection);
}

std::unique_ptr<Connection> Pool::take_out(Connection& connection) noexcept {
  connection.unwatch();
  static_cast<ListNode<IdleTag>&>(connection).unlink();
  static_cast<ListNode<OriginTag>&>(connection).unlink();
  return std::unique_ptr<Connection>(&connection);
}

void Pool::put_back(std::unique_ptr<Connection> connection) noexcept {
  Origin& origin = connection->origin();
  connection->idle_since = loop_ != nullptr ? loop_->now() : never;
  if (loop_ == nullptr || !connection->watch()) {
    connection.reset();
    freed(origin);
    return;
  }
  Connection& idle = *connection.release();
  idle_.push_back(idle);
  origin.idle.push_front(idle);
  if (!armed()) wait_until(after(idle.idle_since, options_.idle));
  serve();
}

void Pool::freed(Origin& origin) noexcept {
  --origin.open;
  --open_;
  serve();
  forget_unused(origin);
}

void Pool::forget_unused(Origin& origin) noexcept {
  if (origin.open != 0 || origin.waiting != 0 || origin.pinned) return;
  const auto found = origins_.find(origin.key);
  if (found != origins_.end()) origins_.erase(found);
}

// In order; only a limit per host lets somebody further back go first.
void Pool::serve() noexcept {
  bool blocked = false;
  waiters_.for_each([&](AcquireAwaiter& waiter) {
    if (blocked || !try_take(waiter.origin_, waiter.fresh_, waiter.lease_)) {
      blocked = blocked || options_.per_host == 0;
      return;
    }
    static_cast<ListNode<PoolTag>&>(waiter).unlink();
    --waiter.origin_.waiting;
    waiter.wake();
  });
}

void Pool::wait_until(Instant when) noexcept {
  if (loop_ == nullptr) return;
  if (armed()) loop_->timers().cancel(*this);
  loop_->timers().set(*this, when);
}

void Pool::expired() {
  while (!dead_.empty()) {
    Origin& origin = dead_.front().origin();
    take_out(dead_.front()).reset();
    freed(origin);
  }
  const Instant now = loop_->now();
  while (!idle_.empty() && after(idle_.front().idle_since, options_.idle) <= now) {
    Origin& origin = idle_.front().origin();
    take_out(idle_.front()).reset();
    freed(origin);
  }
  if (!idle_.empty() && !armed()) wait_until(after(idle_.front().idle_since, options_.idle));
}

}  // namespace clearway::http::detail
