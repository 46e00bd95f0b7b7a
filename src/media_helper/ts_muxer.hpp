// CMAF header and chunks of a live stream to MPEG-TS packets.
#pragma once
#include <array>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "media_helper/ffmpeg.hpp"

namespace runnel::media_helper {

// One owner, any thread. Errors are words for a user. The chunks came from a swarm: they may hold anything.
class TsMuxer {
 public:
  // A new epoch. Times go on where the last one ended. Errors: no MP4 header, no stream in it that MPEG-TS can carry.
  [[nodiscard]] std::expected<void, std::string> init(base::ByteView header);
  // Whole 188-byte packets; begins with PAT and PMT when the chunk is independent. Empty before the first init() and independent
  // chunk of an epoch, and for a chunk that cannot be read (the next independent one starts again).
  [[nodiscard]] base::Bytes chunk(base::ByteView bytes, bool independent);

 private:
  struct Out {
    AVStream* stream = nullptr;
    bool is_video = false;
    std::int64_t last_dts = AV_NOPTS_VALUE;
    std::int64_t early = 0;   // how long before its decoding time a picture was shown, at most; MPEG-TS decodes by so much earlier
  };
  void mend_times(AVPacket& packet, std::int64_t least_offset);
  std::expected<void, std::string> open_muxer(AVFormatContext& source);
  bool write(AVPacket& packet, AVStream& from);

  base::Bytes header_;
  base::Bytes written_;
  Io io_;
  Output muxer_;
  std::vector<std::optional<Out>> out_;  // by the stream's index in the header
  bool started_ = false;                 // an independent chunk was written since init()
  bool first_epoch_ = true;
  std::optional<base::Duration> shift_;  // added to the epoch's times
  base::Duration end_ = std::chrono::seconds{1};   // where the next epoch begins; not at zero, since sound may begin before the picture
};

}  // namespace runnel::media_helper
