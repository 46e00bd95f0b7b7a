#include <algorithm>

#include "media_helper/srt_server.hpp"

namespace runnel::media_helper {
namespace {

constexpr std::string_view kAccessControlMark = "#!::";
constexpr std::string_view kPublishPrefix = "publish:";
constexpr std::string_view kPublishMode = "publish";

bool key_matches(std::string_view given, std::string_view key) { return key.empty() || equal_in_constant_time(given, key); }

}  // namespace

bool stream_id_admits(std::string_view stream_id, std::string_view key) {
  if (!stream_id.starts_with(kAccessControlMark)) {
    if (stream_id.starts_with(kPublishPrefix) && key_matches(stream_id.substr(kPublishPrefix.size()), key)) return true;
    return key_matches(stream_id, key);
  }
  std::string_view fields = stream_id.substr(kAccessControlMark.size());
  std::string_view resource;
  std::string_view mode = kPublishMode;
  while (!fields.empty()) {
    const std::string_view field = fields.substr(0, fields.find(','));
    fields.remove_prefix(std::min(fields.size(), field.size() + 1));
    if (field.starts_with("r=")) resource = field.substr(2);
    if (field.starts_with("m=")) mode = field.substr(2);
  }
  return mode == kPublishMode && key_matches(resource, key);
}

}  // namespace runnel::media_helper
