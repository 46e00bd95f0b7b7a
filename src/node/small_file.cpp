#include "node/small_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

namespace runnel::node {

std::expected<std::string, int> read_file(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in) return std::unexpected(errno);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::expected<void, int> write_file(const std::filesystem::path& file, std::string_view text, unsigned mode) {
  const std::filesystem::path fresh = file.string() + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return std::unexpected(errno);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  if (!written) return std::unexpected(error);
  if (::rename(fresh.c_str(), file.c_str()) != 0) return std::unexpected(errno);
  return {};
}

}  // namespace runnel::node
