#pragma once
// Wall and CPU time of this process, and its resident memory.

#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

namespace bench {

inline std::int64_t nanoseconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline std::int64_t wall_nanoseconds() { return nanoseconds(CLOCK_MONOTONIC); }
inline std::int64_t cpu_nanoseconds() { return nanoseconds(CLOCK_PROCESS_CPUTIME_ID); }

inline std::int64_t resident_bytes() {
  long total = 0;
  long resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return std::int64_t{resident} * sysconf(_SC_PAGESIZE);
}

}  // namespace bench
