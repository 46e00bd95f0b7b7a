// A QR code as an SVG picture.
#pragma once
#include <optional>
#include <string>

namespace runnel::player {

// Dark modules on white with the quiet zone of four modules that readers need (ISO/IEC 18004). nullopt if the text is too long
// (2953 bytes at most).
std::optional<std::string> qr_svg(const std::string& text);

}  // namespace runnel::player
