// The operating system's files, as far as the store needs them. All that is POSIX's or Linux's own stands in file.cpp.
#pragma once
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "store/error.hpp"

namespace runnel::store {

// What changes when somebody else writes a file or puts another one in its place.
struct FileIdentity {
  std::uint64_t size = 0;
  std::uint64_t inode = 0;
  std::int64_t modified_ns = 0;   // since 1970
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

enum class OpenMode {
  read,
  update,            // read and write, must exist
  create,            // read and write, made if missing
};

// An open plain file; closed with the object. One owner, but sync() may run on another thread beside reads and writes.
class File {
 public:
  File() = default;
  static std::expected<File, Error> open(const std::filesystem::path& path, OpenMode mode);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Fewer bytes than asked for only at the end of the file.
  std::expected<std::size_t, Error> read_at(std::uint64_t offset, base::MutableByteView into) const;
  std::expected<void, Error> write_at(std::uint64_t offset, base::ByteView bytes);
  // The pieces one after another.
  std::expected<void, Error> write_at(std::uint64_t offset, std::span<const base::ByteView> pieces);
  std::expected<void, Error> resize(std::uint64_t bytes);        // a hole where it grows
  std::expected<void, Error> preallocate(std::uint64_t bytes);   // takes the space; the size becomes at least `bytes`
  std::expected<void, Error> sync() const;
  [[nodiscard]] std::expected<FileIdentity, Error> identity() const;
  [[nodiscard]] std::uint64_t allocated_bytes() const;            // holes not counted
  // On a file system whose server sets the time of modification after write() has returned.
  [[nodiscard]] bool is_remote() const { return remote_; }
  // Asks the system to read ahead.
  void will_read_in_order() const;
  // Advisory lock of the whole file, held until it is closed. Fault::in_use when another process holds it.
  std::expected<void, Error> lock(bool shared);
  // Whether the path still names this file.
  [[nodiscard]] bool still_linked() const;
  // Sets the time of modification to now, by the file system's clock.
  void touch() const;

 private:
  File(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}
  [[nodiscard]] Error failure() const;   // from errno

  int fd_ = -1;
  bool remote_ = false;
  std::filesystem::path path_;
};

Error error_from_errno(int os_error, std::filesystem::path path);
// Makes the folder and its parents.
std::expected<void, Error> make_folders(const std::filesystem::path& folder);
// Opens and locks `folder`/lock, making both. Fault::in_use names `on_behalf_of`.
std::expected<File, Error> lock_folder(const std::filesystem::path& folder, bool shared, const std::filesystem::path& on_behalf_of);
std::expected<void, Error> sync_folder(const std::filesystem::path& folder);
// Free bytes for this user on the file system that holds `path`.
std::optional<std::uint64_t> free_bytes(const std::filesystem::path& path);
// Changes with every start of the system; empty if it cannot be told.
std::string boot_id();

}  // namespace runnel::store
