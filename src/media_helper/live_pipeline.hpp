// A demuxed source to CMAF chunks: chooses streams, passes or transcodes each, and opens a new epoch at each discontinuity.
#pragma once
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "media_helper/link.hpp"
#include "media_helper/live_input.hpp"
#include "media_helper/pacer.hpp"
#include "media_helper/packager.hpp"
#include "media_helper/track_path.hpp"

namespace runnel::media_helper {

// One owner; run() blocks until its source ends. Several sources one after the other make one stream, each from a new epoch on.
class LivePipeline {
 public:
  struct Config {
    HelperLink* link = nullptr;  // may be null in tests
    std::uint32_t first_epoch = 0;
    std::function<void(std::string)> notice;
  };
  LivePipeline(Config config, Packager::Sink sink)
      : config_(std::move(config)), packager_(std::move(sink)), next_epoch_(config_.first_epoch) {}

  struct Outcome {
    bool any_media = false;  // at least one epoch began
    int code = 0;            // what reading ended with: AVERROR_EOF or another of FFmpeg's
    std::string error;       // not empty: the source cannot be streamed, in words for a user
  };
  // How the source's bytes end. Whoever breaks off does so in the middle of a picture: with `cut` the last packet of each stream is
  // left out. (A demuxer that reads other files itself, as HLS's does, is taken to be at its end all along: one packet late.)
  enum class Ending { whole, cut };
  [[nodiscard]] Outcome run(LiveInput& input, Pacer& pacer, Ending ending = Ending::whole);

  // For sources that encode by themselves (test:): the next epoch's number.
  std::uint32_t take_epoch() { return next_epoch_++; }
  Packager& packager() { return packager_; }

  static constexpr base::Duration kMaxForwardJump = std::chrono::seconds{10};
  static constexpr base::Duration kMaxBackwardJump = std::chrono::seconds{1};
  static constexpr base::Duration kWaitForAudio = std::chrono::seconds{5};
  static constexpr base::Duration kWaitForVideo = std::chrono::seconds{15};
  static constexpr std::size_t kMaxHeldPackets = 4000;
  static constexpr int kMaxLateStreams = 3;  // streams that show up late may reopen the epoch so often
  static constexpr int kMaxTimeless = 5;     // packets without any time that are left out at an epoch's start, by stream
  static constexpr int kMaxStrays = 500;     // packets with far-off time stamps that are left out at an epoch's start

 private:
  struct Lane {
    AVStream* stream = nullptr;
    std::unique_ptr<TrackPath> path;
    bool transcode = false;
    std::int64_t last_dts = AV_NOPTS_VALUE;
    int timeless = 0;
  };
  struct Held {
    bool is_video;
    bool independent;
    Packet packet;
    base::WallTime captured;
  };
  Status select();
  Status open_paths();
  Status new_epoch();
  Status take(AVPacket& packet);
  Status push(Lane& lane, AVPacket& packet);
  Status emit(bool is_video, AVPacket& packet, bool independent);
  Status write(bool is_video, AVPacket& packet, bool independent, base::WallTime captured);
  Status begin_if_ready();
  Status drain();
  bool jumped(Lane& lane, const AVPacket& packet) const;
  bool comes_before_time(Lane& lane, const AVPacket& packet) const;
  bool may_add(const AVPacket& packet) const;

  Config config_;
  Packager packager_;
  std::uint32_t next_epoch_;

  // Of the run under way.
  LiveInput* input_ = nullptr;
  Pacer* pacer_ = nullptr;
  std::optional<Lane> video_;
  std::optional<Lane> audio_;
  bool open_ = false;  // the epoch has begun
  std::deque<Held> held_;
  std::optional<base::Duration> epoch_start_;  // decode time of its first packet
  base::Duration now_{};                       // decode time of the newest
  base::WallTime captured_{};
  int late_streams_ = 0;
  int strays_ = 0;
};

}  // namespace runnel::media_helper
