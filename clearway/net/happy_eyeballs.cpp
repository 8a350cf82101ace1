#include <clearway/net/happy_eyeballs.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <clearway/net/error.hpp>
#include <clearway/net/known_names.hpp>
#include <clearway/task/timeout.hpp>

namespace clearway::detail {
namespace {

// Section 3: how long the first IPv4 address waits for IPv6 ones.
constexpr Duration resolution_delay = std::chrono::milliseconds(50);

std::size_t row(const Address& address) { return address.family() == AF_INET6 ? 0 : 1; }

}  // namespace

void HappyEyeballs::add(const std::vector<Address>& addresses) {
  if (!addresses.empty()) next_family_ = static_cast<int>(row(addresses.front()));
  for (const Address& address : addresses) waiting_[row(address)].push_back(address);
}

Task<> HappyEyeballs::ask(HappyEyeballs& self, int family) {
  auto& names = Loop::current().service<NameService>();
  ResolveOptions how = self.options_.names;
  how.timeout = std::min(how.timeout, self.options_.timeout);
  NameAnswer answer = co_await names.ask(self.host_, family, how);
  for (Address address : answer.addresses) {
    address.set_port(self.port_);
    self.waiting_[row(address)].push_back(address);
  }
  self.answers_.push_back(std::move(answer));
  --self.asking_;
  self.changed_.set();
}

Task<> HappyEyeballs::attempt(HappyEyeballs& self, Address address, std::size_t number) {
  ConnectAttempt result = co_await attempt_connect(address, self.deadline_, self.options_);
  --self.trying_;
  self.attempts_[number].code = result.code;
  self.attempts_[number].allowed = result.allowed;
  if (result.code == 0 && !self.winner_) self.winner_ = std::move(result.stream);
  self.changed_.set();
}

Task<> HappyEyeballs::wait_for_change(Instant until) {
  if (until == never) {
    co_await changed_.wait();
  } else {
    auto happened = co_await move_on_after(until - Loop::current().now(), changed_.wait());
    static_cast<void>(happened);
  }
  changed_.clear();
}

// IPv6 addresses are waited for; those of IPv4 only as long as IPv6 may be a little slower.
Task<> HappyEyeballs::wait_for_addresses() {
  Instant patience = never;
  while (asking_ > 0 && waiting_[0].empty()) {
    const Instant now = Loop::current().now();
    if (!waiting_[1].empty() && patience == never) patience = after(now, resolution_delay);
    if (now >= patience) break;
    co_await wait_for_change(patience);
  }
  // An IPv6 address that there is no route to is tried after those that can work.
  next_family_ = !waiting_[0].empty() && has_route(waiting_[0].front()) ? 0 : 1;
}

std::optional<Address> HappyEyeballs::next_address() {
  if (waiting_[next_family_].empty()) next_family_ = 1 - next_family_;
  std::deque<Address>& row = waiting_[next_family_];
  if (row.empty()) return std::nullopt;
  const Address address = row.front();
  row.pop_front();
  next_family_ = 1 - next_family_;
  return address;
}

Task<> HappyEyeballs::conduct(TaskGroup& group) {
  if (asking_ > 0) {
    group.start(ask, std::ref(*this), AF_INET6);
    group.start(ask, std::ref(*this), AF_INET);
    co_await wait_for_addresses();
  }
  while (!winner_) {
    if (const auto address = next_address()) {
      const std::size_t number = attempts_.size();
      attempts_.push_back({*address, 0, {}});
      ++trying_;
      group.start(attempt, std::ref(*this), *address, number);
      co_await wait_for_change(after(Loop::current().now(), options_.attempt_delay));
    } else if (trying_ > 0 || asking_ > 0) {
      co_await wait_for_change(never);
    } else {
      break;
    }
  }
  group.cancel();
}

Task<Stream> HappyEyeballs::connect(bool ask) {
  if (ask) asking_ = 2;
  co_await task_group([this](TaskGroup& group) { return conduct(group); });
  if (!winner_) fail();
  co_return std::move(*winner_);
}

void HappyEyeballs::fail() const {
  if (attempts_.empty()) throw_resolve_error(host_, answers_);
  std::string reasons;
  for (const Failure& failure : attempts_) {
    if (!reasons.empty()) reasons += "; ";
    reasons += fmt::format("{}: {}", failure.address.to_string(),
                           connect_failure(failure.code, failure.allowed));
  }
  throw ConnectError(fmt::format("cannot connect to {}: {}", name_, reasons),
                     attempts_.back().code);
}

}  // namespace clearway::detail
