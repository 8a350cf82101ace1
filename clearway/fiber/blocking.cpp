#include <clearway/fiber/blocking.hpp>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string_view>
#include <unordered_set>

#include <cxxabi.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/fiber/pool.hpp>
#include <clearway/task/trace.hpp>

namespace clearway {
namespace {

using fiber::Blocking;

constexpr int undecided = -1;
std::atomic<int> policy = undecided;
thread_local int allowances = 0;

Blocking from_environment() noexcept {
  const char* const variable = std::getenv("CLEARWAY_BLOCKING");
  const std::string_view wish = variable == nullptr ? "" : variable;
  if (wish == "ignore") return Blocking::ignore;
  if (wish == "throw") return Blocking::throw_error;
  if (!wish.empty() && wish != "warn") {
    log::write(log::Level::warning, "fiber",
               "CLEARWAY_BLOCKING is not one of ignore, warn, throw: taken for warn");
  }
  return Blocking::warn;
}

}  // namespace

namespace fiber {

void set_blocking(Blocking wish) noexcept { policy = static_cast<int>(wish); }
AllowBlocking::AllowBlocking() noexcept { ++allowances; }
AllowBlocking::~AllowBlocking() { --allowances; }

}  // namespace fiber

namespace detail {

Blocking blocking_policy() noexcept {
  int present = policy.load(std::memory_order_relaxed);
  if (present == undecided) {
    int expected = undecided;
    policy.compare_exchange_strong(expected, static_cast<int>(from_environment()));
    present = policy.load(std::memory_order_relaxed);
  }
  return static_cast<Blocking>(present);
}

bool blocking_matters() noexcept {
  return running_frame() != nullptr && allowances == 0 && blocking_policy() != Blocking::ignore;
}

bool first_at(const void* place) noexcept {
  static std::mutex mutex;
  static auto* const places = new std::unordered_set<const void*>;
  const std::lock_guard guard(mutex);
  try {
    return places->insert(place).second;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

std::string name_of_code(const void* place) {
  Dl_info found{};
  if (::dladdr(place, &found) == 0 || found.dli_fname == nullptr) {
    return fmt::format("{}", place);
  }
  const std::string_view path = found.dli_fname;
  const std::string_view file = path.substr(path.rfind('/') + 1);
  const auto* const at = static_cast<const char*>(place);
  if (found.dli_sname == nullptr) {
    const auto offset = at - static_cast<const char*>(found.dli_fbase);
    return fmt::format("{}+{:#x}", file, offset);
  }
  int status = 0;
  char* const plain = abi::__cxa_demangle(found.dli_sname, nullptr, nullptr, &status);
  std::string name = status == 0 ? plain : found.dli_sname;
  std::free(plain);
  const auto offset = at - static_cast<const char*>(found.dli_saddr);
  return fmt::format("{}+{:#x} in {}", name, offset, file);
}

void report_blocking(const char* call, const void* place) {
  const bool throws = blocking_policy() == Blocking::throw_error;
  if (!throws && !first_at(place)) return;
  const PromiseBase* const frame = running_frame();
  const std::string text = fmt::format(
      "{}() blocks the loop: it was called from {} in a task, and nothing else runs until it "
      "returns. Await it instead, run it with fiber::run() or to_thread(), or say "
      "fiber::AllowBlocking\n{}",
      call, name_of_code(place), frame == nullptr ? "" : to_string(await_chain(*frame)));
  if (throws) throw UsageError(text);
  log::write(log::Level::warning, "fiber", text);
}

}  // namespace detail
}  // namespace clearway
