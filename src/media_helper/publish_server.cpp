#include "media_helper/publish_server.hpp"

#include <utility>

#include "media_helper/publish_url.hpp"
#include "media_helper/rtmp_server.hpp"
#include "media_helper/srt_server.hpp"

namespace runnel::media_helper {

bool is_publish_source(std::string_view source) { return source.starts_with("rtmp://") || source.starts_with("srt://"); }

std::expected<std::unique_ptr<PublishServer>, std::string> start_publish_server(std::string_view source, NoticeCallback on_notice) {
  if (source.starts_with("srt://")) {
    auto url = parse_srt_url(source);
    if (!url) return std::unexpected(std::move(url).error());
    return start_srt_server({.url = std::move(*url), .on_notice = std::move(on_notice)});
  }
  auto url = parse_rtmp_url(source);
  if (!url) return std::unexpected(std::move(url).error());
  return start_rtmp_server({.url = std::move(*url), .on_notice = std::move(on_notice)});
}

}  // namespace runnel::media_helper
