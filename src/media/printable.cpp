#include "media/printable.hpp"

#include <algorithm>
#include <cstdint>

namespace runnel::media {
namespace {

// The size of the well-formed sequence at `at`, 0 if there is none (RFC 3629, section 4).
std::size_t sequence_size(const std::string& text, std::size_t at) {
  const auto octet = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = octet(at), second = octet(at + 1);
  if (first < 0x80) return 1;
  std::size_t size = 0;
  unsigned least = 0x80, most = 0xbf;  // of the second byte: no overlong forms, no surrogates, nothing past U+10FFFF
  if (first >= 0xc2 && first <= 0xdf) size = 2;
  if (first >= 0xe0 && first <= 0xef) {
    size = 3;
    if (first == 0xe0) least = 0xa0;
    if (first == 0xed) most = 0x9f;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    size = 4;
    if (first == 0xf0) least = 0x90;
    if (first == 0xf4) most = 0x8f;
  }
  if (size == 0 || second < least || second > most) return 0;
  for (std::size_t i = at + 2; i < at + size; ++i) {
    if ((octet(i) & 0xc0U) != 0x80U) return 0;
  }
  return size;
}

bool is_control(const std::string& text, std::size_t at, std::size_t size) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (size == 1) return first < 0x20 || first == 0x7f;
  return size == 2 && first == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0;  // U+0080..U+009F
}

}  // namespace

void make_printable(std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = sequence_size(text, at);
    if (size == 0) {
      text[at++] = '?';
      continue;
    }
    if (is_control(text, at, size)) std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(at), size, ' ');
    at += size;
  }
}

}  // namespace runnel::media
