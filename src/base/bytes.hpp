// Byte views and the bounds-checked big-endian cursors: the only way bytes from outside are read.
#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::base {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;

inline ByteView as_bytes(std::string_view text) { return std::as_bytes(std::span{text.data(), text.size()}); }
// The text lives as long as the bytes do.
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }
inline bool equal(ByteView a, ByteView b) { return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0); }

template <std::unsigned_integral T>
constexpr T load_big_endian(const std::byte* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>((std::uint64_t{value} << 8) | std::to_integer<T>(from[i]));
  return value;
}
template <std::unsigned_integral T>
constexpr void store_big_endian(std::byte* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<std::byte>(value >> (8 * (sizeof(T) - 1 - i)));
}

// Reads from the front of a view. Past the end every read gives nullopt and moves nothing.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}
  template <std::unsigned_integral T>
  [[nodiscard]] std::optional<T> read() {
    if (rest_.size() < sizeof(T)) return std::nullopt;
    const T value = load_big_endian<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }
  // A view into the bytes that the reader was made of.
  [[nodiscard]] std::optional<ByteView> read_view(std::size_t size) {
    if (rest_.size() < size) return std::nullopt;
    const ByteView view = rest_.first(size);
    rest_ = rest_.subspan(size);
    return view;
  }
  [[nodiscard]] ByteView rest() const { return rest_; }
  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  ByteView rest_;
};

// Appends to a growing buffer that the caller owns.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}
  template <std::unsigned_integral T>
  void write(T value) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof(T));
    store_big_endian(out_.data() + at, value);
  }
  void write_view(ByteView view) { out_.insert(out_.end(), view.begin(), view.end()); }
  [[nodiscard]] std::size_t size() const { return out_.size(); }

 private:
  Bytes& out_;
};

std::string to_hex(ByteView bytes);                     // lowercase
std::optional<Bytes> from_hex(std::string_view text);   // both cases; nullopt on odd length or other characters

}  // namespace runnel::base
