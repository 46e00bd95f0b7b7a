// An RTMP server that takes one publisher at a time, by its stream key.
#pragma once
#include <cstddef>
#include <expected>
#include <memory>
#include <string>

#include "media_helper/publish_server.hpp"
#include "media_helper/publish_url.hpp"
#include "media_helper/rtmp_connection.hpp"

namespace runnel::media_helper {

struct RtmpServerConfig {
  RtmpUrl url;
  RtmpTimeouts timeouts{};
  // With all of them in use the oldest connection that does not publish makes room for a new one: idle sockets keep nobody out.
  std::size_t max_connections = 128;
  std::size_t queue_limit_bytes = kQueueLimitBytes;
  NoticeCallback on_notice;
};

// The error says why the address or port cannot be had.
[[nodiscard]] std::expected<std::unique_ptr<PublishServer>, std::string> start_rtmp_server(RtmpServerConfig config);

}  // namespace runnel::media_helper
