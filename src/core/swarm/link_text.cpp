#include "core/swarm/link_text.hpp"

#include <algorithm>
#include <cstdint>

#include "core/swarm/link.hpp"

namespace runnel::swarm {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::uint8_t octet(char c) { return static_cast<std::uint8_t>(c); }

// Bytes of the character that begins with `lead`, and the smallest code point that needs so many; 0 bytes if none does.
struct Utf8Lead {
  std::size_t size;
  std::uint32_t bits;
  std::uint32_t smallest;
};
Utf8Lead utf8_lead(std::uint8_t lead) {
  if (lead < 0x80) return {1, lead, 0};
  if ((lead & 0xe0) == 0xc0) return {2, lead & 0x1fU, 0x80};
  if ((lead & 0xf0) == 0xe0) return {3, lead & 0x0fU, 0x800};
  if ((lead & 0xf8) == 0xf0) return {4, lead & 0x07U, 0x10000};
  return {0, 0, 0};
}

}  // namespace

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kKept = "-._~:/";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_letter(c) || is_digit(c) || kKept.contains(c)) {
      out += c;
    } else {
      out += '%';
      out += kHexDigits[octet(c) >> 4];
      out += kHexDigits[octet(c) & 15];
    }
  }
  return out;
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return octet(c) < 0x20 || octet(c) == 0x7f; });
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto [size, code, smallest] = utf8_lead(octet(text[i]));
    if (size == 0 || text.size() - i < size) return false;
    for (std::size_t k = 1; k < size; ++k) {
      const std::uint8_t next = octet(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = (code << 6) | (next & 0x3fU);
    }
    if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    i += size;
  }
  return true;
}

bool is_url(std::string_view text, std::span<const std::string_view> schemes) {
  constexpr std::string_view kSeparator = "://";
  const std::size_t at = text.find(kSeparator);
  if (at == std::string_view::npos || std::ranges::find(schemes, text.substr(0, at)) == schemes.end()) return false;
  const std::string_view rest = text.substr(at + kSeparator.size());
  if (rest.empty() || rest.front() == '/' || rest.front() == ':' || rest.front() == '?') return false;
  return std::ranges::all_of(rest, [](char c) { return octet(c) > 0x20 && octet(c) < 0x7f; });
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxLinkHostSize || text.front() == '.' || text.contains("..")) return false;
  return std::ranges::all_of(text, [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; });
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

}  // namespace runnel::swarm
