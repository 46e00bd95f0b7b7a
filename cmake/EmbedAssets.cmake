# Writes OUTPUT, a C++ file that holds every file under DIST, for src/player/assets.hpp. Run as a script:
#   cmake -DDIST=web/dist -DOUTPUT=assets_data.cpp -P cmake/EmbedAssets.cmake
# Without DIST/index.html it holds one page that tells how the web page is built.
cmake_minimum_required(VERSION 3.25)

function(content_type name result)
  set(type "application/octet-stream")
  if(name MATCHES "\\.html$")
    set(type "text/html; charset=utf-8")
  elseif(name MATCHES "\\.js$")
    set(type "text/javascript; charset=utf-8")
  elseif(name MATCHES "\\.css$")
    set(type "text/css; charset=utf-8")
  elseif(name MATCHES "\\.svg$")
    set(type "image/svg+xml")
  elseif(name MATCHES "\\.png$")
    set(type "image/png")
  elseif(name MATCHES "\\.(map|json)$")
    set(type "application/json")
  elseif(name MATCHES "\\.txt$")
    set(type "text/plain; charset=utf-8")
  endif()
  set(${result} "${type}" PARENT_SCOPE)
endfunction()

set(files)
if(EXISTS "${DIST}/index.html")
  file(GLOB_RECURSE files RELATIVE "${DIST}" "${DIST}/*")
  list(SORT files)
endif()
if(NOT files)
  set(DIST "${CMAKE_CURRENT_BINARY_DIR}/page_not_built")
  file(WRITE "${DIST}/index.html" "<!doctype html><title>Runnel</title><p>The web page was not built: ./run build\n")
  set(files index.html)
endif()

set(arrays "")
set(table "")
set(number 0)
foreach(name IN LISTS files)
  file(READ "${DIST}/${name}" hex HEX)
  file(SHA256 "${DIST}/${name}" hash)
  string(SUBSTRING "${hash}" 0 32 hash)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  content_type("${name}" type)
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {\n${hex}};\n")
  string(APPEND table "    {\"/${name}\", \"${type}\", \"\\\"${hash}\\\"\", kFile${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE "${OUTPUT}" "// Made by cmake/EmbedAssets.cmake from web/dist.
#include \"player/assets.hpp\"

namespace runnel::player {
namespace {

${arrays}
constexpr Asset kAssets[] = {
${table}};

}  // namespace

std::span<const Asset> assets() { return kAssets; }

}  // namespace runnel::player
")
