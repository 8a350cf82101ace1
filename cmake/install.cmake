# `cmake --install build` gives find_package(clearway COMPONENTS ...) with one target per module.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/clearway")

list(TRANSFORM CLEARWAY_MODULES PREPEND clearway_ OUTPUT_VARIABLE targets)
install(TARGETS ${targets} EXPORT clearway-targets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS clearway_fiber_hooks_preload EXPORT clearway-targets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT clearway-targets NAMESPACE clearway:: DESTINATION "${package_dir}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/clearway" DESTINATION include
  FILES_MATCHING PATTERN "*.hpp")

configure_package_config_file(cmake/clearway-config.cmake.in clearway-config.cmake
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(clearway-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/clearway-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/clearway-config-version.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/Findbacktrace.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/Findcares.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/Findidn2.cmake"
  DESTINATION "${package_dir}")
