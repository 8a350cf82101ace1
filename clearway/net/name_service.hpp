#pragma once

// A loop's memory of names: answers of DNS, kept as long as they say, and questions that are under
// way, which everyone who asks the same shares.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <clearway/loop/loop.hpp>
#include <clearway/net/error.hpp>
#include <clearway/net/resolve.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>

namespace clearway::detail {

// What DNS says of one family of a name: addresses with port 0, or why there are none.
struct NameAnswer {
  NameAnswer() = default;
  std::vector<Address> addresses;
  ResolveError::Reason reason = ResolveError::Reason::no_address;
  std::string message;  // empty when there are addresses
  Duration lifetime{};  // how long it may be remembered
};

// Throws what the answers for all families of `host` come to when none has an address: the most
// telling one.
[[noreturn]] void throw_resolve_error(const std::string& host,
                                      const std::vector<NameAnswer>& answers);

// Answers by name and family, at most `capacity` of them, each until its time is over.
class NameCache {
 public:
  // The name in small letters, the family, and the server that was asked when it is not the
  // system's.
  using Key = std::tuple<std::string, int, std::uint16_t, std::uint32_t>;
  static constexpr std::size_t capacity = 1024;
  // RFC 8767, section 4: longer lifetimes are cut to this.
  static constexpr Duration longest = std::chrono::hours(24);

  // Null when it is not known, or not any more.
  [[nodiscard]] const NameAnswer* find(const Key& key, Instant now) const;
  // Keeps an answer with addresses for its lifetime; others are not kept.
  void store(const Key& key, NameAnswer answer, Instant now);
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    Entry() = default;
    NameAnswer answer;
    Instant ends = never;
  };
  void make_room(Instant now);
  std::map<Key, Entry> entries_;
};

class NameService final : public LoopService {
 public:
  explicit NameService(Loop& loop) noexcept : loop_(loop) {}

  // The addresses of `host`, an ASCII name, in one family. From the cache, or from a query that is
  // shared with whoever asks for the same meanwhile, and dropped when all of them have gone.
  // Failure is an answer too.
  Task<NameAnswer> ask(std::string host, int family, ResolveOptions options);
  [[nodiscard]] std::size_t under_way() const noexcept { return flights_.size(); }

 private:
  struct Flight;
  class Passenger;
  class Landing;
  static Task<> fly(NameService& self, std::shared_ptr<Flight> flight, ResolveOptions options);
  static Task<NameAnswer> query(std::string host, int family, ResolveOptions options);
  // The question that is under way, or a new one.
  std::shared_ptr<Flight> board(const NameCache::Key& key, const ResolveOptions& options);
  void forget(const std::shared_ptr<Flight>& flight) noexcept;

  Loop& loop_;
  NameCache cache_;
  std::map<NameCache::Key, std::shared_ptr<Flight>> flights_;
};

}  // namespace clearway::detail
