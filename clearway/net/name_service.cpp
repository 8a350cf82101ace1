#include <clearway/net/name_service.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <clearway/net/dns_query.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/timeout.hpp>

namespace clearway::detail {
namespace {

// Awaits a query that the awaiting frame owns.
class QueryOperation {
 public:
  QueryOperation(const std::string& host, int family, const ResolveOptions& options) noexcept
      : host_(host), family_(family), options_(options) {}
  DnsQuery operator co_await() const { return {host_, family_, options_}; }

 private:
  const std::string& host_;
  int family_;
  const ResolveOptions& options_;
};

std::string small_letters(std::string text) {
  for (char& letter : text) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter | 0x20);
  }
  return text;
}

}  // namespace

void throw_resolve_error(const std::string& host, const std::vector<NameAnswer>& answers) {
  using Reason = ResolveError::Reason;
  // A name with no address in one family exists; one that no server answered for may.
  for (const Reason reason :
       {Reason::no_answer, Reason::failed, Reason::no_address, Reason::unknown_host}) {
    for (const NameAnswer& answer : answers) {
      if (answer.reason == reason) throw ResolveError(host, reason, answer.message);
    }
  }
  throw ResolveError(host, Reason::no_address, fmt::format("\"{}\" has no address", host));
}

const NameAnswer* NameCache::find(const Key& key, Instant now) const {
  const auto found = entries_.find(key);
  return found == entries_.end() || found->second.ends <= now ? nullptr : &found->second.answer;
}

void NameCache::store(const Key& key, NameAnswer answer, Instant now) {
  if (answer.addresses.empty() || answer.lifetime <= Duration::zero()) return;
  if (entries_.size() >= capacity && !entries_.contains(key)) make_room(now);
  Entry& entry = entries_[key];
  entry.ends = after(now, std::min(answer.lifetime, longest));
  entry.answer = std::move(answer);
}

// Drops what is over; otherwise what would be over first.
void NameCache::make_room(Instant now) {
  std::erase_if(entries_, [now](const auto& item) { return item.second.ends <= now; });
  if (entries_.size() < capacity) return;
  entries_.erase(std::min_element(
      entries_.begin(), entries_.end(),
      [](const auto& left, const auto& right) { return left.second.ends < right.second.ends; }));
}

struct NameService::Flight {
  NameCache::Key key;
  std::optional<NameAnswer> answer;  // absent: the flight was shot down with the background work
  Event ended;
  std::optional<TaskHandle<>> task;
  int passengers = 0;
};

void NameService::forget(const std::shared_ptr<Flight>& flight) noexcept {
  const auto found = flights_.find(flight->key);
  if (found != flights_.end() && found->second == flight) flights_.erase(found);
}

// One who waits for a query; the last one that leaves early ends it.
class NameService::Passenger {
 public:
  Passenger(NameService& service, std::shared_ptr<Flight> flight) noexcept
      : service_(service), flight_(std::move(flight)) {
    ++flight_->passengers;
  }
  Passenger(const Passenger&) = delete;
  Passenger& operator=(const Passenger&) = delete;
  ~Passenger() {
    if (--flight_->passengers > 0 || flight_->ended.is_set()) return;
    service_.forget(flight_);
    flight_->task->cancel();
  }

 private:
  NameService& service_;
  std::shared_ptr<Flight> flight_;
};

// However a flight ends, its passengers go on.
class NameService::Landing {
 public:
  Landing(NameService& service, std::shared_ptr<Flight> flight) noexcept
      : service_(service), flight_(std::move(flight)) {}
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;
  ~Landing() {
    service_.forget(flight_);
    flight_->ended.set();
  }

 private:
  NameService& service_;
  std::shared_ptr<Flight> flight_;
};

Task<> NameService::fly(NameService& self, std::shared_ptr<Flight> flight, ResolveOptions options) {
  const Landing landing(self, flight);
  const std::string& host = std::get<0>(flight->key);
  flight->answer = co_await query(host, std::get<1>(flight->key), options);
  self.cache_.store(flight->key, *flight->answer, self.loop_.now());
}

Task<NameAnswer> NameService::query(std::string host, int family, ResolveOptions options) {
  NameAnswer failed;
  try {
    co_return co_await QueryOperation(host, family, options);
  } catch (const ResolveError& error) {  // c-ares could not even start
    failed.reason = error.reason();
    failed.message = error.what();
  }
  co_return failed;
}

std::shared_ptr<NameService::Flight> NameService::board(const NameCache::Key& key,
                                                        const ResolveOptions& options) {
  if (const auto found = flights_.find(key); found != flights_.end()) return found->second;
  const auto flight = std::make_shared<Flight>();
  flight->key = key;
  flight->task = background().start(fly, std::ref(*this), flight, options);
  flights_.emplace(key, flight);
  return flight;
}

Task<NameAnswer> NameService::ask(std::string host, int family, ResolveOptions options) {
  const NameCache::Key key(small_letters(host), family, options.server_port, options.server_ipv4);
  const Instant deadline = after(loop_.now(), options.timeout);
  for (;;) {
    if (const NameAnswer* known = cache_.find(key, loop_.now())) co_return *known;
    const bool first = !flights_.contains(key);
    const std::shared_ptr<Flight> flight = board(key, options);
    {
      const Passenger passenger(*this, flight);
      if (first) {  // its time is the query's
        co_await flight->ended.wait();
      } else {
        auto in_time = co_await move_on_after(deadline - loop_.now(), flight->ended.wait());
        static_cast<void>(in_time);
      }
    }
    if (!flight->ended.is_set()) break;
    options.timeout = deadline - loop_.now();
    if (!flight->answer) co_return co_await query(host, family, options);
    // Another asker's time was over, not ours.
    const bool too_early = flight->answer->reason == ResolveError::Reason::no_answer && !first &&
                           flight->answer->addresses.empty() && options.timeout > Duration::zero();
    if (!too_early) co_return *flight->answer;
  }
  NameAnswer late;
  late.reason = ResolveError::Reason::no_answer;
  late.message = fmt::format("cannot resolve \"{}\": DNS did not answer in time", host);
  co_return late;
}

}  // namespace clearway::detail
