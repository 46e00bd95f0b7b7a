// A fuzzer's bytes as a sequence of choices. Past their end every choice is zero.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace runnel::fuzz {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(std::as_bytes(std::span{data, size})) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::uint8_t octet() {
    const base::ByteView one = bytes(1);
    return one.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(one[0]);
  }
  std::uint16_t word() {
    const unsigned high = octet();
    return static_cast<std::uint16_t>(high << 8U | octet());
  }
  // In [0, bound), bound at most 256.
  std::size_t below(std::size_t bound) { return octet() % bound; }
  // So many bytes, or those that are left.
  base::ByteView bytes(std::size_t count) {
    const base::ByteView taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  // A length octet and so many bytes.
  base::ByteView piece() { return bytes(octet()); }
  base::ByteView all() { return bytes(rest_.size()); }
  // Up to the next line feed.
  std::string_view line() {
    const std::string_view text = base::as_text(rest_);
    const std::string_view line = text.substr(0, text.find('\n'));
    bytes(std::min(text.size(), line.size() + 1));
    return line;
  }

 private:
  base::ByteView rest_;
};

}  // namespace runnel::fuzz
