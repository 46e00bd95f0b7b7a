#include "media_helper/container.hpp"

extern "C" {
#include <libavutil/mem.h>
#include <libavutil/opt.h>
}
#include <algorithm>
#include <array>

namespace runnel::media_helper {
namespace {

constexpr int kIoBufferBytes = 32 << 10;
constexpr std::int64_t kProbeBytes = 2 << 20;           // how much is read to learn the tracks' parameters
constexpr std::int64_t kAnalyzeUs = 3 * AV_TIME_BASE;
constexpr int kMaxStreams = 128;
constexpr int kMaxBadPackets = 64;                      // in a row, then it counts as the end
// Containers that people have. Formats that name other files (playlists, image sequences, scripts) stay out.
constexpr const char* kFormats = "mov,matroska,mpegts,mpeg,avi,flv,ogg,asf,mp3,aac,flac,wav,w64,aiff,caf";
// A probe that is no better than a guess is taken for noise: random bytes do look like MPEG audio.
constexpr int kLeastProbeScore = AVPROBE_SCORE_RETRY + 1;

int refuse_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EPERM); }

void store(base::Bytes& out, std::uint64_t value, unsigned octets) {
  for (unsigned i = octets; i-- > 0;) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

}  // namespace

std::optional<Splice> make_splice(SpliceKind kind, std::uint64_t from, std::uint64_t to) {
  Splice splice{.from = from};
  const std::uint64_t gap = to - from;
  switch (kind) {
    case SpliceKind::mp4:   // a 'free' box with a 64-bit length
      store(splice.filler, 1, 4);
      for (const char c : {'f', 'r', 'e', 'e'}) splice.filler.push_back(static_cast<std::byte>(c));
      store(splice.filler, gap, 8);
      break;
    case SpliceKind::matroska:   // an EBML Void element with a length of eight octets (RFC 8794 11.3.2)
      if (gap < 9) return std::nullopt;
      store(splice.filler, 0xec, 1);
      store(splice.filler, (std::uint64_t{1} << 56) | (gap - 9), 8);
      break;
  }
  if (gap < splice.filler.size()) return std::nullopt;
  return splice;
}

std::expected<std::unique_ptr<Container>, DemandError> Container::open(BlockCache& cache, const Options& options) {
  std::unique_ptr<Container> container{new Container{cache}};
  container->splice_ = options.splice;
  if (const auto opened = container->open_format(options); !opened) return std::unexpected{opened.error()};
  return container;
}

Container::~Container() {
  avformat_close_input(&format_);
  if (io_ != nullptr) av_freep(&io_->buffer);
  avio_context_free(&io_);
}

std::expected<void, DemandError> Container::open_format(const Options& options) {
  auto* buffer = static_cast<unsigned char*>(av_malloc(kIoBufferBytes));
  io_ = avio_alloc_context(
      buffer, kIoBufferBytes, 0, this,
      [](void* self, std::uint8_t* to, int size) {
        return static_cast<Container*>(self)->read_bytes({reinterpret_cast<std::byte*>(to), static_cast<std::size_t>(size)});
      },
      nullptr, [](void* self, std::int64_t offset, int whence) { return static_cast<Container*>(self)->seek_bytes(offset, whence); });
  format_ = avformat_alloc_context();
  format_->pb = io_;
  format_->flags |= AVFMT_FLAG_CUSTOM_IO | (options.ignore_index ? AVFMT_FLAG_IGNIDX : 0);
  format_->io_open = refuse_open;
  format_->probesize = kProbeBytes;
  format_->max_analyze_duration = kAnalyzeUs;
  format_->max_streams = kMaxStreams;
  av_opt_set(format_, "format_whitelist", kFormats, 0);

  std::array<std::byte, 8> head{};
  const auto got = cache_.read(0, head);
  if (!got) return std::unexpected{got.error() == ReadError::cancelled ? DemandError::cancelled : DemandError::read_failed};
  const bool mp4 = base::as_text(base::ByteView{head}.subspan(4)) == "ftyp";
  if (avformat_open_input(&format_, options.name.c_str(), nullptr, nullptr) < 0) {
    return std::unexpected{failure_or(mp4 ? DemandError::truncated : DemandError::not_media)};
  }
  if (format_->probe_score < kLeastProbeScore) return std::unexpected{DemandError::not_media};
  if (failure_) return std::unexpected{*failure_};
  if (options.find_stream_info) return find_stream_info();
  return {};
}

std::expected<void, DemandError> Container::find_stream_info() {
  const int result = avformat_find_stream_info(format_, nullptr);
  if (failure_ || result < 0) return std::unexpected{failure_or(DemandError::not_media)};
  return {};
}

bool Container::is(std::string_view format_name) const {
  const std::string_view names = format_->iformat->name;
  return names == format_name || names.starts_with(std::string{format_name} + ",");
}

DemandError Container::failure_or(DemandError other) const { return failure_.value_or(other); }

std::expected<bool, DemandError> Container::read(AVPacket& packet) {
  for (int bad = 0; bad < kMaxBadPackets; ++bad) {
    av_packet_unref(&packet);
    const int result = av_read_frame(format_, &packet);
    if (failure_) return std::unexpected{*failure_};
    if (result >= 0) return true;
    if (result == AVERROR_EOF) return false;
  }
  return false;
}

std::expected<void, DemandError> Container::seek(int stream, std::int64_t time) {
  const int result = av_seek_frame(format_, stream, time, AVSEEK_FLAG_BACKWARD);
  if (failure_) return std::unexpected{*failure_};
  if (result < 0) return std::unexpected{DemandError::corrupt};
  return {};
}

std::expected<void, DemandError> Container::seek_to_byte(std::uint64_t position) {
  const int result = av_seek_frame(format_, -1, static_cast<std::int64_t>(position), AVSEEK_FLAG_BYTE);
  if (failure_) return std::unexpected{*failure_};
  if (result < 0) return std::unexpected{DemandError::corrupt};
  return {};
}

int Container::read_bytes(base::MutableByteView into) {
  if (failure_) return AVERROR_EXIT;
  if (splice_ && position_ < splice_->from) {
    into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), splice_->from - position_)));
  } else if (splice_ && position_ < splice_->from + splice_->filler.size()) {
    const auto rest = base::ByteView{splice_->filler}.subspan(static_cast<std::size_t>(position_ - splice_->from));
    const std::size_t size = std::min(rest.size(), into.size());
    std::copy_n(rest.begin(), size, into.begin());
    position_ += size;
    return static_cast<int>(size);
  }
  const auto got = cache_.read(position_, into);
  if (!got) {
    failure_ = got.error() == ReadError::cancelled ? DemandError::cancelled : DemandError::read_failed;
    return AVERROR_EXIT;
  }
  position_ += *got;
  return *got == 0 ? AVERROR_EOF : static_cast<int>(*got);
}

std::int64_t Container::seek_bytes(std::int64_t offset, int whence) {
  const auto size = static_cast<std::int64_t>(cache_.size());
  std::int64_t target = offset;
  switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE: return size;
    case SEEK_SET: break;
    case SEEK_CUR: target += static_cast<std::int64_t>(position_); break;
    case SEEK_END: target += size; break;
    default: return AVERROR(EINVAL);
  }
  if (target < 0) return AVERROR(EINVAL);
  position_ = static_cast<std::uint64_t>(target);
  return target;
}

}  // namespace runnel::media_helper
