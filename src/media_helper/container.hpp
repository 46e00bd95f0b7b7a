// A container opened by libavformat over blocks that are read when they are needed. It can open nothing else: no other file,
// no network, no format beyond a list.
#pragma once
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "media_helper/block_cache.hpp"
#include "media_helper/demand_error.hpp"
#include "media_helper/ffmpeg.hpp"

namespace runnel::media_helper {

// Makes a demuxer that cannot seek for itself go on elsewhere: between the file's header and the place to go to it sees one
// box that it skips. All other bytes keep their offsets.
struct Splice {
  std::uint64_t from = 0;   // where the header ends
  base::Bytes filler;       // the head of that box
};
enum class SpliceKind : std::uint8_t { mp4, matroska };
// nullopt where nothing is to be skipped. `to` >= `from`; too small a gap is skipped as well, so `from` is read at once.
std::optional<Splice> make_splice(SpliceKind kind, std::uint64_t from, std::uint64_t to);

// One owner, one thread.
class Container {
 public:
  struct Options {
    std::string name;                // file name, a hint
    std::optional<Splice> splice;
    bool ignore_index = false;       // fragmented MP4: do not visit every fragment to begin with
    bool find_stream_info = true;    // false: only what the header says
  };
  // Errors: cancelled, read_failed, not_media, truncated.
  static std::expected<std::unique_ptr<Container>, DemandError> open(BlockCache& cache, const Options& options);
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  [[nodiscard]] AVFormatContext& format() { return *format_; }
  [[nodiscard]] AVStream& stream(int index) { return *format_->streams[index]; }
  [[nodiscard]] bool is(std::string_view format_name) const;   // "mov", "matroska", "mpegts", ...

  // Reads packets, at most a few MB, until the tracks' parameters are known.
  [[nodiscard]] std::expected<void, DemandError> find_stream_info();
  // The next packet of any stream; false at the end of what can be read (a damaged rest counts as the end).
  [[nodiscard]] std::expected<bool, DemandError> read(AVPacket& packet);
  // To the key frame at or before `time`, in the stream's time base.
  [[nodiscard]] std::expected<void, DemandError> seek(int stream, std::int64_t time);
  [[nodiscard]] std::expected<void, DemandError> seek_to_byte(std::uint64_t position);
  // After a cancelled or failed read the demuxer may be lost: open anew.
  [[nodiscard]] std::optional<DemandError> failure() const { return failure_; }

 private:
  explicit Container(BlockCache& cache) : cache_(cache) {}
  std::expected<void, DemandError> open_format(const Options& options);
  [[nodiscard]] DemandError failure_or(DemandError other) const;
  int read_bytes(base::MutableByteView into);
  std::int64_t seek_bytes(std::int64_t offset, int whence);

  BlockCache& cache_;
  std::optional<Splice> splice_;
  std::uint64_t position_ = 0;
  std::optional<DemandError> failure_;
  AVIOContext* io_ = nullptr;
  AVFormatContext* format_ = nullptr;
};

}  // namespace runnel::media_helper
