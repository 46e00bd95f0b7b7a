#include "store/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

namespace runnel::store {
namespace {

constexpr std::size_t kPiecesPerCall = 256;   // below IOV_MAX (1024 on Linux)
constexpr int kLockAttempts = 5;
constexpr std::chrono::milliseconds kLockRetry{10};

FileIdentity identity_of(const struct stat& status) {
  return {.size = static_cast<std::uint64_t>(status.st_size),
          .inode = status.st_ino,
          .modified_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

// linux/magic.h, fs/smb/client/cifs_fs.h
bool is_remote_type(std::uint32_t type) {
  constexpr std::uint32_t kNfs = 0x6969, kSmb = 0x517b, kCifs = 0xff53'4d42, kSmb2 = 0xfe53'4d42, kFuse = 0x6573'5546, k9p = 0x0102'1997,
                          kCeph = 0x00c3'6400;
  return type == kNfs || type == kSmb || type == kCifs || type == kSmb2 || type == kFuse || type == k9p || type == kCeph;
}

// pwritev until all of it is written; the vectors are used up.
int write_fully(int fd, std::span<iovec> vectors, std::uint64_t offset) {
  while (!vectors.empty()) {
    const ssize_t written = ::pwritev(fd, vectors.data(), static_cast<int>(vectors.size()), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (written == 0) return ENOSPC;
    offset += static_cast<std::uint64_t>(written);
    auto left = static_cast<std::size_t>(written);
    while (!vectors.empty() && left >= vectors.front().iov_len) {
      left -= vectors.front().iov_len;
      vectors = vectors.subspan(1);
    }
    if (!vectors.empty()) {
      vectors.front().iov_base = static_cast<char*>(vectors.front().iov_base) + left;
      vectors.front().iov_len -= left;
    }
  }
  return 0;
}

}  // namespace

Error error_from_errno(int os_error, std::filesystem::path path) {
  const auto fault = [&] {
    switch (os_error) {
      case ENOENT: return Fault::not_found;
      case ENOTDIR: return Fault::no_folder;
      case EACCES:
      case EPERM:
      case EROFS: return Fault::no_permission;
      case EISDIR:
      case ENXIO: return Fault::not_a_file;
      case ENOSPC:
      case EDQUOT: return Fault::disk_full;
      case EFBIG: return Fault::file_too_large;
      case EMFILE:
      case ENFILE: return Fault::too_many_files;
      case EWOULDBLOCK: return Fault::in_use;
      default: return Fault::io_failed;
    }
  }();
  return {fault, os_error, std::move(path)};
}

std::expected<File, Error> File::open(const std::filesystem::path& path, OpenMode mode) {
  const int access = mode == OpenMode::read ? O_RDONLY : O_RDWR;
  const int create = mode == OpenMode::create ? O_CREAT : 0;
  // O_NONBLOCK: opening a pipe must not wait for its other end.
  const int fd = ::open(path.c_str(), access | create | O_CLOEXEC | O_NONBLOCK, 0666);
  if (fd < 0) {
    Error error = error_from_errno(errno, path);
    if (error.fault == Fault::not_found && mode == OpenMode::create) error.fault = Fault::no_folder;
    return std::unexpected(error);
  }
  File file(fd, path);
  struct stat status{};
  if (::fstat(fd, &status) != 0) return std::unexpected(file.failure());
  if (!S_ISREG(status.st_mode)) return std::unexpected(Error{Fault::not_a_file, 0, path});
  struct statfs system{};
  file.remote_ = ::fstatfs(fd, &system) == 0 && is_remote_type(static_cast<std::uint32_t>(system.f_type));
  return file;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

File::File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), remote_(other.remote_), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
    remote_ = other.remote_;
    path_ = std::move(other.path_);
  }
  return *this;
}

Error File::failure() const { return error_from_errno(errno, path_); }

std::expected<std::size_t, Error> File::read_at(std::uint64_t offset, base::MutableByteView into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(failure());
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

std::expected<void, Error> File::write_at(std::uint64_t offset, base::ByteView bytes) {
  return write_at(offset, std::span<const base::ByteView>{&bytes, 1});
}

std::expected<void, Error> File::write_at(std::uint64_t offset, std::span<const base::ByteView> pieces) {
  std::array<iovec, kPiecesPerCall> vectors;
  while (!pieces.empty()) {
    const std::size_t count = std::min(pieces.size(), kPiecesPerCall);
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) {
      vectors[i] = {.iov_base = const_cast<std::byte*>(pieces[i].data()), .iov_len = pieces[i].size()};   // pwritev only reads it
      bytes += pieces[i].size();
    }
    if (const int error = write_fully(fd_, std::span{vectors}.first(count), offset)) {
      return std::unexpected(error_from_errno(error, path_));
    }
    offset += bytes;
    pieces = pieces.subspan(count);
  }
  return {};
}

std::expected<void, Error> File::resize(std::uint64_t bytes) {
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) return std::unexpected(failure());
  return {};
}

std::expected<void, Error> File::preallocate(std::uint64_t bytes) {
  if (const int error = ::posix_fallocate(fd_, 0, static_cast<off_t>(bytes))) return std::unexpected(error_from_errno(error, path_));
  return {};
}

std::expected<void, Error> File::sync() const {
  if (::fdatasync(fd_) != 0) return std::unexpected(failure());
  return {};
}

std::expected<FileIdentity, Error> File::identity() const {
  struct stat status{};
  if (::fstat(fd_, &status) != 0) return std::unexpected(failure());
  return identity_of(status);
}

std::uint64_t File::allocated_bytes() const {
  struct stat status{};
  if (::fstat(fd_, &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;   // st_blocks counts 512-byte units (stat(3type))
}

void File::will_read_in_order() const { ::posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL); }

std::expected<void, Error> File::lock(bool shared) {
  while (::flock(fd_, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    if (errno != EINTR) return std::unexpected(failure());
  }
  return {};
}

bool File::still_linked() const {
  struct stat open_file{}, named{};
  return ::fstat(fd_, &open_file) == 0 && ::stat(path_.c_str(), &named) == 0 && open_file.st_ino == named.st_ino &&
         open_file.st_dev == named.st_dev;
}

void File::touch() const { ::futimens(fd_, nullptr); }

std::expected<void, Error> make_folders(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return std::unexpected(error_from_errno(error.value(), folder));
  return {};
}

std::expected<File, Error> lock_folder(const std::filesystem::path& folder, bool shared, const std::filesystem::path& on_behalf_of) {
  // The folder may be evicted between making it and locking it; an evictor holds the lock while it removes.
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    if (auto made = make_folders(folder); !made) return std::unexpected(made.error());
    auto file = File::open(folder / "lock", OpenMode::create);
    if (!file) {
      if (file.error().fault == Fault::no_folder) continue;
      return std::unexpected(file.error());
    }
    const auto locked = file->lock(shared);
    if (locked && file->still_linked()) return file;
    if (!locked && locked.error().fault != Fault::in_use) return std::unexpected(locked.error());
    // A look by Cache::list() holds it for microseconds.
    if (!locked) std::this_thread::sleep_for(kLockRetry);
  }
  return std::unexpected(Error{Fault::in_use, 0, on_behalf_of});
}

std::expected<void, Error> sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return std::unexpected(error_from_errno(errno, folder));
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (result != 0) return std::unexpected(error_from_errno(error, folder));
  return {};
}

std::optional<std::uint64_t> free_bytes(const std::filesystem::path& path) {
  struct statvfs status{};
  if (::statvfs(path.c_str(), &status) != 0) return std::nullopt;
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

std::string boot_id() {
  const int fd = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::array<char, 64> text{};
  const ssize_t got = ::read(fd, text.data(), text.size());
  ::close(fd);
  std::string id(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace runnel::store
