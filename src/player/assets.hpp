// The page's files, embedded at build time from web/dist (cmake/EmbedAssets.cmake).
#pragma once
#include <span>
#include <string_view>

namespace runnel::player {

struct Asset {
  std::string_view path;           // "/index.html"
  std::string_view content_type;
  std::string_view etag;           // with its quotes
  std::span<const unsigned char> bytes;
};

// All of them, sorted by nothing in particular; never empty: without web/dist there is one page that says so.
std::span<const Asset> assets();
const Asset* find_asset(std::string_view path);   // "/" is "/index.html"

}  // namespace runnel::player
