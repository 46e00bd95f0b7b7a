#include "node/xdg.hpp"

#include <unistd.h>

#include <cstdlib>

namespace runnel::node {

std::filesystem::path cache_folder() {
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && *xdg == '/') return std::filesystem::path{xdg} / "runnel";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return std::filesystem::path{home} / ".cache" / "runnel";
  return std::filesystem::temp_directory_path() / ("runnel-" + std::to_string(::getuid()));
}

std::string helper_program() {
  std::error_code none;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", none);
  const auto beside = self.parent_path() / "runnel-media";
  return !none && std::filesystem::exists(beside, none) ? beside.string() : "runnel-media";
}

}  // namespace runnel::node
