// Files: files_files WHAT [COUNT]. Prints {"metric", "best", "median"}, which are one here:
// microseconds per operation.
//
//   read_small   read_file() of 4 KiB, one after the other
//   read_many    the same, 64 at once
//   read_at      File::read_at() of 4 KiB from a file of 64 MiB, in memory, one after the other
//   read_large   read_file() of 16 MiB
//   write_small  write_file() of 4 KiB
//   replace      replace_file() of 4 KiB, which waits for the disk

#include <unistd.h>

#include <bench/support/metric.hpp>
#include <cstdlib>
#include <ranges>
#include <string>

#include <clearway/clearway.hpp>
#include <clearway/os/file.hpp>

using namespace clearway;

namespace {

constexpr std::size_t small = 4096;
constexpr std::size_t large = std::size_t{16} << 20;
constexpr std::size_t huge = std::size_t{64} << 20;

Task<> read_files(std::string path, int count) {
  for (int number = 0; number < count; ++number) {
    const std::string content = co_await read_file(path);
    if (content.size() < small) std::abort();
  }
}

Task<> read_many(std::string path, int count) {
  const auto reader = [&](int) { return read_files(path, count / 64); };
  co_await gather(std::views::iota(0, 64), reader);
}

Task<> read_parts(std::string path, int count) {
  File file = co_await File::open(path);
  std::uint64_t place = 1;
  for (int number = 0; number < count; ++number) {
    place = place * 6364136223846793005U + 1442695040888963407U;
    const std::string part = co_await file.read_at((place >> 33) % (huge / small) * small, small);
    if (part.size() != small) std::abort();
  }
}

Task<> write_files(std::string path, int count, bool replace) {
  const std::string content(small, 'x');
  for (int number = 0; number < count; ++number) {
    if (replace) {
      co_await replace_file(path, content);
    } else {
      co_await write_file(path, content);
    }
  }
}

Task<> measure(std::string what, std::string path, int count) {
  const std::size_t size = what == "read_at" ? huge : what == "read_large" ? large : small;
  co_await write_file(path, std::string(size, 'x'));
  const bench::Stopwatch watch;
  if (what == "read_many") {
    co_await read_many(path, count);
  } else if (what == "read_at") {
    co_await read_parts(path, count);
  } else if (what == "read_small" || what == "read_large") {
    co_await read_files(path, count);
  } else {
    co_await write_files(path, count, what == "replace");
  }
  bench::report(what, watch.nanoseconds_per(count) / 1000);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  const std::string what = arguments[1];
  const int otherwise = what == "replace" ? 200 : what == "read_large" ? 100 : 20'000;
  const std::string path = "/tmp/clearway-bench-file-" + std::to_string(::getpid());
  const int operations = count > 2 ? std::atoi(arguments[2]) : otherwise;
  const int status = run_main(measure(what, path, operations));
  ::unlink(path.c_str());
  return status;
}
