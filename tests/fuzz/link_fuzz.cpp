// Any text: refused, or a link that prints and reads back the same.
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "core/swarm/link.hpp"

using namespace runnel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto link = swarm::parse_link(base::as_text(std::as_bytes(std::span{data, size})));
  if (!link) {
    base::check(!swarm::message(link.error()).empty(), "every error has a text");
    return 0;
  }
  const std::string text = swarm::to_string(*link);
  const auto again = swarm::parse_link(text);
  // Percent-encoding can make a link of many odd bytes longer than one may be.
  base::check(again ? *again == *link : text.size() > swarm::kMaxLinkSize, "a link survives being printed and read");
  return 0;
}
