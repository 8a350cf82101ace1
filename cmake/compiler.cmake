# What holds for every translation unit of this tree: language, warnings, sanitizers, ccache.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Kind of build" FORCE)
endif()

find_program(CLEARWAY_CCACHE ccache)
mark_as_advanced(CLEARWAY_CCACHE)
if(CLEARWAY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER "${CLEARWAY_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CLEARWAY_CCACHE}")
endif()

if(CLEARWAY_SANITIZE AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "CLEARWAY_SANITIZE=${CLEARWAY_SANITIZE} needs clang, and this is "
    "${CMAKE_CXX_COMPILER_ID}: g++ 12's sanitizers and coroutines do not go together. "
    "Use the preset `asan`, `tsan` or `fuzz`.")
endif()

set(clearway_sanitizer_flags "")
if(CLEARWAY_SANITIZE STREQUAL "address")
  set(clearway_sanitizer_flags -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(CLEARWAY_SANITIZE STREQUAL "thread")
  set(clearway_sanitizer_flags -fsanitize=thread)
elseif(CLEARWAY_SANITIZE STREQUAL "fuzzer")
  set(clearway_sanitizer_flags
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
elseif(CLEARWAY_SANITIZE)
  message(FATAL_ERROR "CLEARWAY_SANITIZE is \"${CLEARWAY_SANITIZE}\"; it can be address, thread, "
    "fuzzer, or empty.")
endif()
if(clearway_sanitizer_flags)
  add_compile_options(${clearway_sanitizer_flags} -fno-omit-frame-pointer)
  add_link_options(${clearway_sanitizer_flags})
endif()

# clearway_strict(<target>): our own code compiles without a warning.
function(clearway_strict target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic
    $<$<BOOL:${CLEARWAY_WERROR}>:-Werror>)
endfunction()
