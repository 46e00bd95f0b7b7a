// An address and UDP or TCP port as a value: what core and the trackers call a peer's place. No resolver, no socket.
#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace runnel::base {

// IPv4 is kept as an IPv4-mapped IPv6 address (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so both families compare alike.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  static IpAddress v4(std::array<std::uint8_t, 4> octets);
  static IpAddress v6(std::array<std::uint8_t, 16> octets);
  // Numeric text only: "192.0.2.1", "2001:db8::1" (no brackets, no zone).
  static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] std::array<std::uint8_t, 4> v4_octets() const;  // only if is_v4()
  [[nodiscard]] const std::array<std::uint8_t, 16>& v6_octets() const { return octets_; }
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] bool is_private() const;      // RFC 1918, unique local (RFC 4193), link-local
  [[nodiscard]] bool is_multicast() const;
  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] std::string to_string() const;
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> octets_{};
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  // "192.0.2.1:6778" or "[2001:db8::1]:6778".
  static std::optional<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace runnel::base

template <>
struct std::hash<runnel::base::IpAddress> {
  std::size_t operator()(const runnel::base::IpAddress& a) const noexcept;
};
template <>
struct std::hash<runnel::base::Endpoint> {
  std::size_t operator()(const runnel::base::Endpoint& e) const noexcept;
};
