#pragma once

// RFC 8305, Happy Eyeballs version 2: the addresses of a name are tried side by side, a little
// apart, IPv6 and IPv4 in turn, as soon as the first of them are known; the first that answers
// wins. A family that is broken, or whose DNS is slow, costs a quarter of a second at most.

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <clearway/net/connect.hpp>
#include <clearway/net/connect_attempt.hpp>
#include <clearway/net/name_service.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>

namespace clearway::detail {

class HappyEyeballs {
 public:
  // `name` is how errors call the target.
  HappyEyeballs(std::string host, std::uint16_t port, std::string name, ConnectOptions options,
                Instant deadline)
      : host_(std::move(host)),
        port_(port),
        name_(std::move(name)),
        options_(options),
        deadline_(deadline) {}

  // Addresses that are known already, the best first.
  void add(const std::vector<Address>& addresses);
  // Connects, after asking the name service if `ask`. Throws ResolveError or ConnectError.
  Task<Stream> connect(bool ask);

 private:
  struct Failure {
    Address address;
    int code = 0;
    Duration allowed{};
  };

  static Task<> ask(HappyEyeballs& self, int family);
  static Task<> attempt(HappyEyeballs& self, Address address, std::size_t number);
  Task<> wait_for_addresses();
  Task<> conduct(TaskGroup& group);
  // Waits until something has happened, or `until`.
  Task<> wait_for_change(Instant until);
  std::optional<Address> next_address();
  [[noreturn]] void fail() const;

  std::string host_;
  std::uint16_t port_;
  std::string name_;
  ConnectOptions options_;
  Instant deadline_;

  std::deque<Address> waiting_[2];  // not tried yet: IPv6, IPv4
  int next_family_ = 0;
  int asking_ = 0;  // families that DNS has not answered for
  std::size_t trying_ = 0;
  std::vector<Failure> attempts_;
  std::vector<NameAnswer> answers_;
  std::optional<Stream> winner_;
  Event changed_;
};

}  // namespace clearway::detail
