# libidn2 brings no CMake package. Defines the target idn2::idn2. Installed with Clearway, whose
# package file needs it too.

find_path(IDN2_INCLUDE_DIR idn2.h)
find_library(IDN2_LIBRARY idn2)
mark_as_advanced(IDN2_INCLUDE_DIR IDN2_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(idn2 REQUIRED_VARS IDN2_LIBRARY IDN2_INCLUDE_DIR)

if(idn2_FOUND AND NOT TARGET idn2::idn2)
  add_library(idn2::idn2 UNKNOWN IMPORTED)
  set_target_properties(idn2::idn2 PROPERTIES
    IMPORTED_LOCATION "${IDN2_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${IDN2_INCLUDE_DIR}")
endif()
