#pragma once

#include <clearway/http/client_options.hpp>
#include <clearway/http/url.hpp>
#include <clearway/net/stream.hpp>

#include <memory>
#include <string>
#include <unordered_map>

namespace clearway::http::detail {

class Pool;
struct Origin;
struct IdleTag;
struct OriginTag;
struct PoolTag;

/// A connection of a pool. While nobody uses it, it waits for its socket to become readable, which
/// means that the server has closed it (or says something unasked): it is then dropped at once and
/// never met by a later request.
class Connection final : public ListNode<IdleTag>, public ListNode<OriginTag>, private Operation {
 public:
  Connection(Pool& pool, Origin& origin, Stream stream)
      : stream(std::move(stream)), pool_(pool), origin_(origin) {}
  ~Connection() { unwatch(); }

  /// Starts to watch; false when the socket is readable already.
  bool watch();
  void unwatch() noexcept;
  Origin& origin() noexcept { return origin_; }

  Stream stream;
  std::string out;  ///< the head of a request; keeps its memory
  Instant idle_since{};

 private:
  void completed() override;

  Pool& pool_;
  Origin& origin_;
};

/// A scheme, host and port, and the connections to it.
struct Origin {
  explicit Origin(const Url& url);

  std::string host;       ///< for connect()
  std::string authority;  ///< for the Host field
  std::uint16_t port;
  std::size_t open = 0;  ///< connections and permissions to make one
  std::size_t waiting = 0;
  bool pinned = false;
  std::string key;
  List<Connection, OriginTag> idle;  ///< the latest first
};

/// The right to use one connection. It may have to be made first. Destroyed, it closes it.
class Lease {
 public:
  Lease() noexcept = default;
  Lease(Lease&& other) noexcept { *this = std::move(other); }
  Lease& operator=(Lease&& other) noexcept;
  ~Lease() { close(); }

  explicit operator bool() const noexcept { return pool_ != nullptr; }
  /// The connection was used before.
  bool reused() const noexcept { return reused_; }
  bool connected() const noexcept { return connection_ != nullptr; }
  Connection& connection() const noexcept { return *connection_; }
  void connect(Stream stream);
  Origin& origin() const noexcept { return *origin_; }

  /// For the next request; the connection must be between two messages.
  void give_back() noexcept;
  void close() noexcept;

 private:
  friend class Pool;

  Pool* pool_ = nullptr;
  Origin* origin_ = nullptr;
  std::unique_ptr<Connection> connection_;
  bool reused_ = false;
};

/// Waits for a lease, first come, first served. A lease that was granted is never lost: cancelled
/// before, the waiter leaves the queue.
class AcquireAwaiter final : public Waiter, public ListNode<PoolTag> {
 public:
  AcquireAwaiter(Pool& pool, Origin& origin, bool fresh) noexcept
      : pool_(pool), origin_(origin), fresh_(fresh) {}
  ~AcquireAwaiter() = default;

  bool await_ready();
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    suspend(handle.promise());
    return true;
  }
  Lease await_resume() {
    throw_if_cancelled();
    return std::move(lease_);
  }

 private:
  friend class Pool;
  void suspend(PromiseBase& frame);
  void stop() noexcept override;

  Pool& pool_;
  Origin& origin_;
  bool fresh_;
  Lease lease_;
};

class [[nodiscard("co_await it")]] Acquire {
 public:
  Acquire(Pool& pool, Origin& origin, bool fresh) noexcept
      : pool_(&pool), origin_(&origin), fresh_(fresh) {}
  AcquireAwaiter operator co_await() const noexcept { return {*pool_, *origin_, fresh_}; }

 private:
  Pool* pool_;
  Origin* origin_;
  bool fresh_;
};

/// The connections of a session: kept between requests, bounded in all and per origin. One timer
/// closes what was not used for a while. It belongs to the loop that uses it first; when that loop
/// ends, idle connections are closed.
class Pool final : private Timer, public ListNode<Pool> {
 public:
  explicit Pool(const SessionOptions& options) : options_(options) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { shut_down(); }

  Origin& origin(const Url& url);
  /// `fresh`: a connection that nobody has used.
  Acquire acquire(Origin& origin, bool fresh) noexcept { return {*this, origin, fresh}; }
  /// Closes what is idle and stops the timer.
  void shut_down() noexcept;

  /// Connections that are used or idle, and permissions to make one.
  std::size_t open() const noexcept { return open_; }
  std::size_t idle() const noexcept { return idle_.count(); }
  std::size_t waiting() const noexcept { return waiters_.count(); }

 private:
  friend class Connection;
  friend class Lease;
  friend class AcquireAwaiter;

  bool try_take(Origin& origin, bool fresh, Lease& lease);
  void grant(Origin& origin, Lease& lease, std::unique_ptr<Connection> connection) noexcept;
  void put_back(std::unique_ptr<Connection> connection) noexcept;
  /// Takes an idle connection off the lists.
  std::unique_ptr<Connection> take_out(Connection& connection) noexcept;
  /// One connection less at `origin`: somebody who waits may make one.
  void freed(Origin& origin) noexcept;
  void forget_unused(Origin& origin) noexcept;
  void serve() noexcept;
  void attach();
  void expired() override;
  void wait_until(Instant when) noexcept;

  SessionOptions options_;
  Loop* loop_ = nullptr;
  std::size_t open_ = 0;
  std::unordered_map<std::string, std::unique_ptr<Origin>> origins_;
  List<Connection, IdleTag> idle_;  // the longest idle first
  List<Connection, IdleTag> dead_;  // closed by their servers; still counted as open
  List<AcquireAwaiter, PoolTag> waiters_;
};

}  // namespace clearway::http::detail
