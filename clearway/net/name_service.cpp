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
  NameAnswer answer;
  Event ended;
  std::optional<TaskHandle<>> task;
  int passengers = 0;
};

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
    service_.flights_.erase(flight_->key);
    flight_->task->cancel();
  }

 private:
  NameService& service_;
  std::shared_ptr<Flight> flight_;
};

Task<> NameService::fly(NameService& self, std::shared_ptr<Flight> flight, ResolveOptions options) {
  const std::string& host = std::get<0>(flight->key);
  flight->answer = co_await QueryOperation(host, std::get<1>(flight->key), options);
  self.cache_.store(flight->key, flight->answer, self.loop_.now());
  self.flights_.erase(flight->key);
  flight->ended.set();
}

Task<NameAnswer> NameService::ask(std::string host, int family, ResolveOptions options) {
  const NameCache::Key key(small_letters(host), family, options.server_port, options.server_ipv4);
  if (const NameAnswer* known = cache_.find(key, loop_.now())) co_return *known;
  std::shared_ptr<Flight>& place = flights_[key];
  const bool first = place == nullptr;
  if (first) {
    place = std::make_shared<Flight>();
    place->key = key;
    place->task = background().start(fly, std::ref(*this), place, options);
  }
  const std::shared_ptr<Flight> flight = place;
  const Passenger passenger(*this, flight);
  if (first) {  // its time is the query's
    co_await flight->ended.wait();
    co_return flight->answer;
  }
  auto in_time = co_await move_on_after(options.timeout, flight->ended.wait());
  if (in_time) co_return flight->answer;
  NameAnswer late;
  late.reason = ResolveError::Reason::no_answer;
  late.message = fmt::format("cannot resolve \"{}\": DNS did not answer within {:.3g} s", host,
                             std::chrono::duration<double>(options.timeout).count());
  co_return late;
}

}  // namespace clearway::detail
