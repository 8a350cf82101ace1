#pragma once

// What the soak does, over and over, and cancels at any moment.

#include <array>
#include <map>
#include <random>
#include <string>
#include <string_view>

#include <clearway/http/session.hpp>
#include <tests/soak/servers.hpp>

namespace clearway::soak {

// What has been done so far, and what went wrong.
struct Tally {
  std::uint64_t done = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t failed = 0;
  std::map<std::string, std::uint64_t> by_kind;
  std::map<std::string, std::uint64_t> failures;  // each text once
};

class Work {
 public:
  Work(Servers& servers, Tally& tally, std::uint64_t seed);

  // Does pieces of work, `workers` at a time, for so long; then all have ended, and nothing is left
  // of them.
  Task<> run(int workers, Duration length);

 private:
  using Doing = Task<> (Work::*)(int worker);
  struct Kind {
    std::string_view name;
    Doing doing;
  };
  static const std::array<Kind, 11> kinds;

  Task<> worker(int number, Instant end);
  Task<> attempt(int number);

  Task<> tcp(int worker);
  Task<> tls(int worker);
  Task<> udp(int worker);
  Task<> names(int worker);
  Task<> files(int worker);
  Task<> file_over_tcp(int worker);
  Task<> processes(int worker);
  Task<> timers(int worker);
  Task<> queues(int worker);
  Task<> threads(int worker);
  Task<> web(int worker);

  std::size_t random(std::size_t below) { return random_() % below; }

  Servers& servers_;
  Tally& tally_;
  std::mt19937_64 random_;
  http::Session* session_ = nullptr;
  Semaphore processes_{2};
};

}  // namespace clearway::soak
