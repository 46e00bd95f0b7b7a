// An SRT listener that takes one publisher of MPEG-TS at a time, by its stream id or passphrase.
#pragma once
#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "media_helper/publish_server.hpp"
#include "media_helper/publish_url.hpp"

namespace runnel::media_helper {

struct SrtServerConfig {
  SrtUrl url;
  // A live publisher silent for longer gives way to another one with the key.
  std::chrono::milliseconds takeover{5'000};
  std::size_t queue_limit_bytes = kQueueLimitBytes;
  NoticeCallback on_notice;
};

// The error says why the address or port cannot be had.
[[nodiscard]] std::expected<std::unique_ptr<PublishServer>, std::string> start_srt_server(SrtServerConfig config);

// Whether a caller's stream id lets it publish: KEY, publish:KEY, or #!::r=KEY,m=publish (SRT access control; the mode may be left
// out, other fields are ignored). Constant time in the key. An empty `key` is met by any stream id that does not ask for another mode.
[[nodiscard]] bool stream_id_admits(std::string_view stream_id, std::string_view key);

}  // namespace runnel::media_helper
