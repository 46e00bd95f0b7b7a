#include "cli/play.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

extern char** environ;

namespace runnel::cli {
namespace {

std::expected<void, std::string> spawn(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // stdout is ours, for scripts.
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return {};
  return std::unexpected(words[0] + " can not be started (" + std::strerror(error) + "): install it, or choose another --player");
}

}  // namespace

std::string default_player() {
  const bool screen = std::getenv("DISPLAY") != nullptr || std::getenv("WAYLAND_DISPLAY") != nullptr;
  return screen && ::isatty(STDERR_FILENO) == 1 ? "browser" : "none";
}

std::expected<void, std::string> start_player(const std::string& player, const std::string& stream_url, const std::string& page_url) {
  if (player == "mpv") return spawn({"mpv", "--really-quiet", stream_url});
  if (player == "vlc") return spawn({"vlc", "--quiet", stream_url});
  if (player == "browser") return spawn({"xdg-open", page_url});
  return {};
}

}  // namespace runnel::cli
