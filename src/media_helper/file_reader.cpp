#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "media_helper/random_reader.hpp"

namespace runnel::media_helper {

std::expected<std::unique_ptr<FileReader>, std::string> FileReader::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);   // O_NONBLOCK: a FIFO must not block here
  if (fd < 0) return std::unexpected{"cannot open " + path + ": " + std::strerror(errno)};
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    return std::unexpected{path + " is not a regular file"};
  }
  return std::unique_ptr<FileReader>{new FileReader{fd, static_cast<std::uint64_t>(status.st_size)}};
}

FileReader::~FileReader() { ::close(fd_); }

std::expected<std::size_t, ReadError> FileReader::read(std::uint64_t offset, base::MutableByteView into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected{ReadError::failed};
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

}  // namespace runnel::media_helper
