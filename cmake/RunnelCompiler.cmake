# Warnings, sanitizers, the compiler cache and the linker: the same for every target of ours.
add_library(runnel_options INTERFACE)
target_compile_options(runnel_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
  -Wnull-dereference -Wcast-align -Wimplicit-fallthrough -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports false positives of these two inside std::variant, std::expected and coroutines.
  target_compile_options(runnel_options INTERFACE -Wno-maybe-uninitialized -Wno-null-dereference)
endif()
target_include_directories(runnel_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)

set(RUNNEL_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize= (address,undefined or thread)")
if(RUNNEL_SANITIZE)
  target_compile_options(runnel_options INTERFACE -fsanitize=${RUNNEL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(runnel_options INTERFACE -fsanitize=${RUNNEL_SANITIZE})
endif()
option(RUNNEL_COVERAGE "Measure line and branch coverage" OFF)
if(RUNNEL_COVERAGE)
  target_compile_options(runnel_options INTERFACE --coverage)
  target_link_options(runnel_options INTERFACE --coverage)
endif()

find_program(RUNNEL_CCACHE ccache)
if(RUNNEL_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RUNNEL_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${RUNNEL_CCACHE})
endif()
find_program(RUNNEL_LLD ld.lld)
if(RUNNEL_LLD)
  target_link_options(runnel_options INTERFACE -fuse-ld=lld)
endif()
