#pragma once

// One question to c-ares: a channel whose sockets the loop waits for.

#include <memory>
#include <string>
#include <vector>

#include <clearway/loop/address.hpp>
#include <clearway/loop/operation.hpp>
#include <clearway/loop/timer.hpp>
#include <clearway/net/name_service.hpp>
#include <clearway/net/resolve.hpp>
#include <clearway/task/waiter.hpp>

struct ares_addrinfo;
struct ares_channeldata;

namespace clearway::detail {

class DnsQuery final : public Waiter, private Timer {
 public:
  // Throws ResolveError when c-ares cannot start.
  DnsQuery(std::string host, int family, const ResolveOptions& options);
  ~DnsQuery();

  // The query is its own awaiter, made and awaited by the name service.
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise());
  }
  // Failure is an answer too.
  NameAnswer await_resume();

 private:
  class Wait;
  struct Socket;

  bool start(PromiseBase& frame);
  void stop() noexcept override;
  void expired() override;
  // c-ares may have moved on: sockets to wait for, another time to look again, or an answer.
  void settle();
  void ready(const Socket& socket, bool writes);
  void want(int descriptor, bool readable, bool writable);
  void answered(int status, ares_addrinfo* answer);
  void explain_failure();
  [[nodiscard]] std::string servers() const;

  std::string host_;
  int family_;
  Duration timeout_;
  Instant deadline_ = never;
  ares_channeldata* channel_ = nullptr;
  std::vector<std::unique_ptr<Socket>> sockets_;
  NameAnswer answer_;
  int status_ = 0;
  bool woken_ = false;
  bool answered_ = false;
  bool timed_out_ = false;
  bool stopping_ = false;
  bool settling_ = false;
};

}  // namespace clearway::detail
