# runnel_module(NAME LINK targets...): one static library per folder, made of every .cpp in it.
# The include arrows of ARCHITECTURE.md are the LINK lists; tools/check_layers.py checks the includes themselves.
function(runnel_module name)
  cmake_parse_arguments(ARG "" "" "LINK;PRIVATE_LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(sources)
    add_library(runnel_${name} STATIC ${sources})
    target_link_libraries(runnel_${name} PUBLIC runnel_options ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  else()
    add_library(runnel_${name} INTERFACE)
    target_link_libraries(runnel_${name} INTERFACE runnel_options ${ARG_LINK})
  endif()
endfunction()
