// Blocking reads of a finite input by offset: over the link from a node, or of a local file.
#pragma once
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "base/bytes.hpp"

namespace runnel::media_helper {

enum class ReadError : std::uint8_t {
  cancelled,   // a newer request overtook the one that reads
  failed,      // the bytes cannot be had
};

// One owner, one thread.
class RandomReader {
 public:
  virtual ~RandomReader() = default;
  // Total size in bytes; constant.
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  // Fills the beginning of `into`; offset + into.size() <= size(). Gives the number of bytes: fewer than asked for where no more
  // are at hand, 0 only where a file shrank meanwhile.
  [[nodiscard]] virtual std::expected<std::size_t, ReadError> read(std::uint64_t offset, base::MutableByteView into) = 0;
  // These bytes are likely to be read next. Never blocks, may do nothing.
  virtual void prefetch(std::uint64_t offset, std::size_t length) {
    static_cast<void>(offset);
    static_cast<void>(length);
  }
};

// A file of this machine's, read with pread.
class FileReader : public RandomReader {
 public:
  // The error is for a user.
  static std::expected<std::unique_ptr<FileReader>, std::string> open(const std::string& path);
  ~FileReader() override;
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  [[nodiscard]] std::uint64_t size() const override { return size_; }
  [[nodiscard]] std::expected<std::size_t, ReadError> read(std::uint64_t offset, base::MutableByteView into) override;

 private:
  FileReader(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
  int fd_;
  std::uint64_t size_;
};

}  // namespace runnel::media_helper
