#include "player/byte_range.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace runnel::player {
namespace {

// Digits only; a number past 64 bits counts as the largest.
std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc::result_out_of_range ? ~std::uint64_t{0} : value;
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

RangeResult suffix_range(std::string_view digits, std::uint64_t size) {
  const auto count = parse_number(digits);
  if (!count) return WholeContent{};
  if (*count == 0 || size == 0) return Unsatisfiable{};
  const std::uint64_t length = std::min(*count, size);
  return ByteRange{size - length, length};
}

}  // namespace

RangeResult parse_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit) || header.find(',') != std::string_view::npos) return WholeContent{};
  const std::string_view spec = trim(header.substr(kUnit.size()));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return WholeContent{};
  if (dash == 0) return suffix_range(spec.substr(1), size);
  const auto first = parse_number(spec.substr(0, dash));
  const std::string_view end_text = spec.substr(dash + 1);
  const auto end = end_text.empty() ? std::optional{~std::uint64_t{0}} : parse_number(end_text);
  if (!first || !end || *end < *first) return WholeContent{};
  if (*first >= size) return Unsatisfiable{};
  return ByteRange{*first, std::min(*end, size - 1) - *first + 1};
}

}  // namespace runnel::player
