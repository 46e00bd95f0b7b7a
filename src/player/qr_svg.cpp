#include "player/qr_svg.hpp"

#include <qrencode.h>

#include <memory>

namespace runnel::player {
namespace {

constexpr int kQuietZone = 4;

struct FreeCode {
  void operator()(QRcode* code) const { QRcode_free(code); }
};
using Code = std::unique_ptr<QRcode, FreeCode>;

Code encode(const std::string& text) {
  if (text.empty() || text.find('\0') != std::string::npos) return nullptr;
  // Level M survives a smudged screen; a long link takes the weakest level rather than none.
  for (const QRecLevel level : {QR_ECLEVEL_M, QR_ECLEVEL_L})
    if (Code code{QRcode_encodeString8bit(text.c_str(), 0, level)}) return code;
  return nullptr;
}

}  // namespace

std::optional<std::string> qr_svg(const std::string& text) {
  const Code code = encode(text);
  if (!code) return std::nullopt;
  const int width = code->width;
  const std::string side = std::to_string(width + 2 * kQuietZone);
  std::string path;
  for (int y = 0; y < width; ++y) {
    for (int x = 0; x < width; ++x) {
      const int begin = x;
      while (x < width && (code->data[y * width + x] & 1) != 0) ++x;
      if (x == begin) continue;
      path += 'M' + std::to_string(begin + kQuietZone) + ' ' + std::to_string(y + kQuietZone) + 'h' + std::to_string(x - begin) + "v1h-" +
              std::to_string(x - begin) + 'z';
    }
  }
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + side + ' ' + side +
         "\" shape-rendering=\"crispEdges\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/><path fill=\"#000\" d=\"" + path +
         "\"/></svg>\n";
}

}  // namespace runnel::player
