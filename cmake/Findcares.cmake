# Debian's libc-ares-dev brings no CMake package before Debian 13. This finds the library either
# way. Defines the target c-ares::cares. Installed with Clearway, whose package file needs it too.

find_path(CARES_INCLUDE_DIR ares.h)
find_library(CARES_LIBRARY cares)
mark_as_advanced(CARES_INCLUDE_DIR CARES_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(cares REQUIRED_VARS CARES_LIBRARY CARES_INCLUDE_DIR)

if(cares_FOUND AND NOT TARGET c-ares::cares)
  add_library(c-ares::cares UNKNOWN IMPORTED)
  set_target_properties(c-ares::cares PROPERTIES
    IMPORTED_LOCATION "${CARES_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${CARES_INCLUDE_DIR}")
endif()
