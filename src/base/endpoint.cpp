#include "base/endpoint.hpp"

#include <charconv>
#include <cstring>

#include "base/rng.hpp"

namespace runnel::base {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

template <class Int>
std::optional<Int> parse_number(std::string_view text, int base, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return static_cast<Int>(value);
}

std::optional<std::array<std::uint8_t, 4>> parse_v4(std::string_view text) {
  std::array<std::uint8_t, 4> octets{};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t dot = i < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos || dot > 3) return std::nullopt;
    const auto octet = parse_number<std::uint8_t>(text.substr(0, dot), 10, 255);
    if (!octet) return std::nullopt;
    octets[i] = *octet;
    text.remove_prefix(i < 3 ? dot + 1 : dot);
  }
  return octets;
}

// The 16-bit groups of one side of "::" (or of the whole address); the last may be dotted IPv4.
std::optional<std::vector<std::uint8_t>> parse_groups(std::string_view text) {
  std::vector<std::uint8_t> octets;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      const auto v4 = parse_v4(group);
      if (!v4) return std::nullopt;
      octets.insert(octets.end(), v4->begin(), v4->end());
      return octets;
    }
    const auto value = group.size() <= 4 ? parse_number<std::uint16_t>(group, 16, 0xffff) : std::nullopt;
    if (!value || octets.size() >= 16) return std::nullopt;
    octets.push_back(static_cast<std::uint8_t>(*value >> 8));
    octets.push_back(static_cast<std::uint8_t>(*value & 0xff));
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return std::nullopt;  // a lone ':' at the end
  }
  return octets;
}

std::uint64_t hash_octets(const std::array<std::uint8_t, 16>& octets) {
  std::uint64_t words[2];
  std::memcpy(words, octets.data(), sizeof words);
  return mix64(words[0] ^ mix64(words[1]));
}

}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> octets) {
  IpAddress address;
  std::ranges::copy(kMappedPrefix, address.octets_.begin());
  std::ranges::copy(octets, address.octets_.begin() + 12);
  return address;
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> octets) {
  IpAddress address;
  address.octets_ = octets;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find(':') == std::string_view::npos) {
    const auto octets = parse_v4(text);
    return octets ? std::optional{v4(*octets)} : std::nullopt;
  }
  std::array<std::uint8_t, 16> octets{};
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    const auto all = parse_groups(text);
    if (!all || all->size() != 16) return std::nullopt;
    std::ranges::copy(*all, octets.begin());
    return v6(octets);
  }
  const auto head = parse_groups(text.substr(0, gap));
  const auto tail = parse_groups(text.substr(gap + 2));
  if (!head || !tail || head->size() + tail->size() > 14) return std::nullopt;
  std::ranges::copy(*head, octets.begin());
  std::ranges::copy(*tail, octets.end() - static_cast<std::ptrdiff_t>(tail->size()));
  return v6(octets);
}

bool IpAddress::is_v4() const { return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), octets_.begin()); }

std::array<std::uint8_t, 4> IpAddress::v4_octets() const { return {octets_[12], octets_[13], octets_[14], octets_[15]}; }

bool IpAddress::is_loopback() const {
  if (is_v4()) return octets_[12] == 127;
  std::array<std::uint8_t, 16> one{};
  one[15] = 1;
  return octets_ == one;
}

bool IpAddress::is_private() const {
  if (is_v4()) {
    const auto o = v4_octets();
    return o[0] == 10 || (o[0] == 172 && (o[1] & 0xf0) == 16) || (o[0] == 192 && o[1] == 168) || (o[0] == 169 && o[1] == 254);
  }
  return (octets_[0] & 0xfe) == 0xfc || (octets_[0] == 0xfe && (octets_[1] & 0xc0) == 0x80);
}

bool IpAddress::is_multicast() const { return is_v4() ? (octets_[12] & 0xf0) == 0xe0 : octets_[0] == 0xff; }

bool IpAddress::is_unspecified() const {
  if (is_v4()) return v4_octets() == std::array<std::uint8_t, 4>{};
  return octets_ == std::array<std::uint8_t, 16>{};
}

std::string IpAddress::to_string() const {
  if (is_v4()) {
    const auto o = v4_octets();
    return std::to_string(o[0]) + '.' + std::to_string(o[1]) + '.' + std::to_string(o[2]) + '.' + std::to_string(o[3]);
  }
  std::array<std::uint16_t, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = static_cast<std::uint16_t>(octets_[2 * i] << 8 | octets_[2 * i + 1]);
  // RFC 5952: the longest run of two or more zero groups, the first on a tie, becomes "::".
  std::size_t best = 8, best_length = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t j = i;
    while (j < 8 && groups[j] == 0) ++j;
    if (j - i > best_length) best = i, best_length = j - i;
    if (j > i) i = j;
  }
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == best) {
      text += "::";
      i += best_length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    char digits[4];
    const auto end = std::to_chars(digits, digits + 4, groups[i], 16).ptr;
    text.append(digits, end);
  }
  return text;
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1), 10, 65535);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  const auto address = IpAddress::parse(host);
  if (!port || !address) return std::nullopt;
  return Endpoint{*address, *port};
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v4() ? host : '[' + host + ']') + ':' + std::to_string(port);
}

}  // namespace runnel::base

std::size_t std::hash<runnel::base::IpAddress>::operator()(const runnel::base::IpAddress& a) const noexcept {
  return runnel::base::hash_octets(a.v6_octets());
}
std::size_t std::hash<runnel::base::Endpoint>::operator()(const runnel::base::Endpoint& e) const noexcept {
  return runnel::base::mix64(runnel::base::hash_octets(e.address.v6_octets()) ^ e.port);
}
