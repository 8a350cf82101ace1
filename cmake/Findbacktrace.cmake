# libbacktrace, which Debian ships inside gcc's own folder (libgcc-12-dev and its successors). Its
# header is named by its whole path: that folder among clang's would bring gcc's stddef.h with it.
find_program(backtrace_GCC NAMES gcc gcc-12 gcc-13 gcc-14)
set(backtrace_hint "")
if(backtrace_GCC)
  execute_process(COMMAND "${backtrace_GCC}" -print-file-name=libbacktrace.a
    OUTPUT_VARIABLE backtrace_file OUTPUT_STRIP_TRAILING_WHITESPACE)
  cmake_path(GET backtrace_file PARENT_PATH backtrace_hint)
endif()
find_library(backtrace_LIBRARY NAMES libbacktrace.a HINTS "${backtrace_hint}")
find_file(backtrace_HEADER NAMES backtrace.h HINTS "${backtrace_hint}/include")
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(backtrace REQUIRED_VARS backtrace_LIBRARY backtrace_HEADER)
mark_as_advanced(backtrace_GCC backtrace_LIBRARY backtrace_HEADER)
if(backtrace_FOUND AND NOT TARGET backtrace::backtrace)
  add_library(backtrace::backtrace UNKNOWN IMPORTED)
  set_target_properties(backtrace::backtrace PROPERTIES
    IMPORTED_LOCATION "${backtrace_LIBRARY}"
    INTERFACE_COMPILE_DEFINITIONS "CLEARWAY_BACKTRACE_HEADER=\"${backtrace_HEADER}\"")
endif()
