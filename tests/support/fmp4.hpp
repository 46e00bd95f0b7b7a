// Fragmented MP4 from a pipe, cut into what LiveTimeline takes: for tests that need real media without the media helper.
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "media/session_types.hpp"

namespace runnel::test {

// Feed it what `ffmpeg -movflags empty_moov+default_base_moof+frag_keyframe -frag_duration 100000 -f mp4 pipe:1` writes. The first
// track is the video.
class Fmp4Splitter {
 public:
  Fmp4Splitter(std::uint32_t epoch, std::uint32_t video_timescale, base::WallTime start)
      : epoch_(epoch), timescale_(video_timescale), start_(start) {}

  using Item = std::variant<media::InitSegment, media::MediaChunk>;
  // A fragment comes out once the next one tells how long it is.
  std::vector<Item> push(base::ByteView bytes);
  std::vector<Item> finish();

 private:
  void take_box(std::string_view type, base::ByteView box, std::vector<Item>& out);
  void emit(base::Duration next_start, std::vector<Item>& out);

  std::uint32_t epoch_;
  std::uint32_t timescale_;
  base::WallTime start_;
  base::Bytes buffer_;
  base::Bytes init_;
  base::Bytes fragment_;
  std::optional<base::Duration> fragment_start_;
  bool fragment_sync_ = false;
  base::Duration last_duration_ = std::chrono::milliseconds{100};
};

// Runs a shell command and gives what it writes; throws std::runtime_error if it fails.
std::string run_and_read(const std::string& command);

}  // namespace runnel::test
