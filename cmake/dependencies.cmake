# The libraries that others wrote. All of them are Debian packages (packages.txt).

find_package(Threads REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(backtrace REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(cares REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(idn2 REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS context)  # clearway::fiber

# For examples, tests and benchmarks only. Whoever needs one that is absent is skipped and says so.
if(CLEARWAY_EXAMPLES OR CLEARWAY_BENCH OR CLEARWAY_TESTS OR CLEARWAY_TOOLS)
  find_package(CURL QUIET)
  find_package(CLI11 QUIET)
endif()
if(CLEARWAY_TESTS)
  find_package(GTest QUIET)
endif()
if(CLEARWAY_BENCH)
  find_package(benchmark QUIET)
  find_package(Boost 1.74 QUIET)
  find_path(LIBURING_INCLUDE_DIR liburing.h)
  find_library(LIBURING_LIBRARY uring)
  mark_as_advanced(LIBURING_INCLUDE_DIR LIBURING_LIBRARY)
endif()
