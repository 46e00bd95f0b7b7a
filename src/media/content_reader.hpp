// Reading a finite stream by offset and length: what HTTP ranges and the demuxer of an on-demand session are made of.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <string>

#include "base/bytes.hpp"

namespace runnel::media {

// Implemented by node over a static swarm: each read raises the deadline of the chunks it needs, so reading drives the
// picker. All calls and callbacks on the service thread.
class ContentReader {
 public:
  // Verified bytes, exactly as many as asked for; or why not, in words for a user.
  using Callback = std::function<void(std::expected<base::Bytes, std::string>)>;
  using Token = std::uint64_t;

  virtual ~ContentReader() = default;
  // Total size in bytes.
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  // offset + length <= size(), length <= kMaxRead. The callback comes once, later, never from inside read(); not after cancel().
  virtual Token read(std::uint64_t offset, std::size_t length, Callback callback) = 0;
  virtual void cancel(Token token) = 0;

  static constexpr std::size_t kMaxRead = 4 << 20;
};

}  // namespace runnel::media
