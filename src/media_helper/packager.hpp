// Packets of one video and one audio stream to a CMAF header and chunks: the last step of ingest.
#pragma once
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "media/helper_messages.hpp"
#include "media_helper/ffmpeg.hpp"

namespace runnel::media_helper {

struct PackagedTrack {
  const AVCodecParameters* parameters = nullptr;  // with extradata; read only while begin() runs
  AVRational time_base{1, 90'000};                // of the packets that will come
  media::TrackInfo info;
};

// One owner, any thread. Calling order: begin(), then write() for each packet in decoding order, finish(). begin() again starts
// the next epoch. Errors are words for a user.
class Packager {
 public:
  struct Sink {
    std::function<void(media::helper::Init)> on_init;
    std::function<void(media::helper::Chunk)> on_chunk;
  };
  explicit Packager(Sink sink) : sink_(std::move(sink)) {}
  ~Packager();
  Packager(const Packager&) = delete;
  Packager& operator=(const Packager&) = delete;

  // `video` or `audio` may be missing, not both. Hands out the Init at once.
  [[nodiscard]] std::expected<void, std::string> begin(std::uint32_t epoch, const PackagedTrack* video, const PackagedTrack* audio);
  // Takes the packet's contents. Packets before the first independent video packet are dropped, and audio from before it.
  // `independent`: a decoder may begin here. `captured`: when the packet came.
  [[nodiscard]] std::expected<void, std::string> write_video(AVPacket& packet, bool independent, base::WallTime captured);
  [[nodiscard]] std::expected<void, std::string> write_audio(AVPacket& packet, base::WallTime captured);
  // The rest as a last chunk.
  [[nodiscard]] std::expected<void, std::string> finish();
  [[nodiscard]] bool started() const { return base_.has_value(); }  // the first chunk of the epoch has begun

  // A chunk is closed at the first frame's end past kChunkAim (two frames of 30 per second, four of 60).
  static constexpr base::Duration kChunkAim = std::chrono::milliseconds{60};
  static constexpr base::Duration kChunkMax = std::chrono::milliseconds{100};
  static constexpr base::Duration kSoundAlone = std::chrono::milliseconds{500};
  static constexpr std::size_t kMaxPendingBytes = 2U << 20;  // so that a chunk fits a record (kMaxRecordSize) at any bit rate

 private:
  struct Track {
    AVStream* stream = nullptr;
    AVRational input_base{};
    std::int64_t last_dts = AV_NOPTS_VALUE;  // in the stream's own base
    std::int64_t frame_duration = 0;         // the last known, in the stream's own base
  };
  std::expected<void, std::string> write(Track& track, AVPacket& packet);
  std::expected<void, std::string> flush();
  AVStream* add_stream(const PackagedTrack& track, AVRational base);

  Sink sink_;
  Output muxer_;
  Io io_;
  base::Bytes written_;  // what the muxer put out since the last flush
  std::uint32_t epoch_ = 0;
  std::optional<Track> video_;
  std::optional<Track> audio_;
  std::optional<base::Duration> base_;  // what becomes zero

  struct Pending {
    bool any = false;
    bool independent = false;
    std::optional<base::Duration> start;  // of its first sample of the leading kind
    base::Duration end{};
    base::Duration audio_span{};
    base::WallTime captured{};
    std::size_t bytes = 0;
  };
  Pending pending_;
  base::Duration reached_{};  // end of the last chunk
};

}  // namespace runnel::media_helper
