# clearway_module(NAME http LINKS net EXTERNAL_PUBLIC fmt::fmt EXTERNAL_PRIVATE ZLIB::ZLIB)
#
# Every .cpp of the calling folder becomes the static library clearway_http, alias clearway::http.
# LINKS names the modules that it stands on: with theirs it is the whole list of modules that it
# may include (the tidy test holds it to that). A folder without a .cpp is an interface library.
function(clearway_module)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "LINKS;EXTERNAL_PUBLIC;EXTERNAL_PRIVATE")
  set(target "clearway_${arg_NAME}")
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  list(TRANSFORM arg_LINKS PREPEND "clearway::")

  if(sources)
    set(scope PUBLIC)
    add_library(${target} STATIC ${sources})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    # PIC without giving up inlining: nobody replaces our symbols at run time.
    target_compile_options(${target} PRIVATE -fno-semantic-interposition)
    target_link_libraries(${target}
      PUBLIC ${arg_LINKS} ${arg_EXTERNAL_PUBLIC}
      PRIVATE ${arg_EXTERNAL_PRIVATE})
    clearway_strict(${target})
  else()
    set(scope INTERFACE)
    add_library(${target} INTERFACE)
    target_link_libraries(${target}
      INTERFACE ${arg_LINKS} ${arg_EXTERNAL_PUBLIC} ${arg_EXTERNAL_PRIVATE})
  endif()

  add_library(clearway::${arg_NAME} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${arg_NAME})
  target_compile_features(${target} ${scope} cxx_std_20)
  target_include_directories(${target} ${scope}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:include>)
endfunction()
