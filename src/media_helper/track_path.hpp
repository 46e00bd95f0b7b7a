// One stream of a live source on its way to the packager: passed through where browsers can play it, transcoded where not.
#pragma once
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "media_helper/encoder.hpp"
#include "media_helper/link.hpp"
#include "media_helper/packager.hpp"

namespace runnel::media_helper {

// What became of a packet.
enum class Taken {
  yes,
  // Not taken: codec parameters changed. The stream's codecpar has the new ones; a new path and a new epoch are needed.
  new_parameters,
  // Not taken: passing it through would not play (no IDR, no display times). A transcoding path is needed.
  must_transcode,
};

// One owner, any thread. Errors are words for a user and end the source.
class TrackPath {
 public:
  // Packets as the packager wants them; the callee takes the contents.
  using Emit = std::function<Status(AVPacket& packet, bool independent)>;

  virtual ~TrackPath() = default;
  [[nodiscard]] virtual std::expected<Taken, std::string> push(AVPacket& packet, const Emit& emit) = 0;
  // What is still inside comes out.
  [[nodiscard]] virtual Status finish(const Emit& emit) = 0;
  // Codec parameters are complete: track() may be asked for. Packets may be emitted before that only by the push() that makes it so.
  [[nodiscard]] virtual bool ready() const = 0;
  [[nodiscard]] virtual PackagedTrack track() const = 0;
};

struct PathOptions {
  AVFormatContext* format = nullptr;  // outlives the path
  AVStream* stream = nullptr;
  HelperLink* link = nullptr;  // for its Busy; may be null in tests
  bool transcode = false;      // even if it could be passed through
  // How far the source is ahead of us; encoding leaves pictures out to catch up. Empty: never.
  std::function<base::Duration()> behind;
};
[[nodiscard]] std::expected<std::unique_ptr<TrackPath>, std::string> make_video_path(const PathOptions& options);
[[nodiscard]] std::expected<std::unique_ptr<TrackPath>, std::string> make_audio_path(const PathOptions& options);

// Whether browsers (MSE in Debian's Chromium; see docs/STREAM.md) play this in MP4 as it is.
bool plays_as_it_is(const AVCodecParameters& parameters);

}  // namespace runnel::media_helper
