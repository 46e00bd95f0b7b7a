#include "media_helper/film_reader.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "media_helper/codec_string.hpp"
#include "media_helper/sync_search.hpp"

namespace runnel::media_helper {
namespace {

constexpr std::uint64_t kTailBytes = 4U << 20;        // where the last fragment is looked for
constexpr std::size_t kHeadBytes = 4096;              // where the document type of Matroska and the brand of MP4 stand
constexpr int kSearchSteps = 12;                      // halves: a film of hours down to seconds
constexpr std::int64_t kSearchGoodUs = 4'000'000;     // near enough before the time looked for
constexpr std::int64_t kSearchLeadUs = 1'000'000;     // demuxers search decode times, which run before the times of pictures
constexpr std::int64_t kProgramStreamLead = 64 << 10;   // bytes; DVD's largest picture is below it
constexpr int kPacketsForTime = 64;                   // read until one of the reference stream tells the time

std::int64_t to_stream(std::int64_t us, AVRational time_base) { return av_rescale_q(us, kMicroseconds, time_base); }

}  // namespace

std::expected<std::unique_ptr<FilmReader>, DemandError> FilmReader::open(RandomReader& reader, Options options) {
  std::unique_ptr<FilmReader> film{new FilmReader{reader}};
  film->options_ = std::move(options);
  auto container = open_film(film->cache_, film->options_.name);
  if (!container) return std::unexpected{container.error()};
  film->container_ = std::move(*container);
  const ScannedIndex* scanned = film->options_.scanned ? &*film->options_.scanned : nullptr;
  auto index = read_index(*film->container_, film->cache_, scanned);
  if (!index) return std::unexpected{index.error()};
  film->film_ = std::move(*index);
  film->remember_streams();
  base::Bytes head(kHeadBytes);
  const auto got = film->cache_.read(0, head);
  film->mime_ = mime_type(*film->container_, film->film_.has_video, base::ByteView{head}.first(got.value_or(0)));
  if (film->film_.seek_by == SeekBy::sync_search) {
    if (const auto prepared = film->prepare_search(); !prepared) return std::unexpected{prepared.error()};
  }
  return film;
}

// Such films often do not know how long they are: their last fragment tells.
std::expected<void, DemandError> FilmReader::prepare_search() {
  const SpliceKind kind = *film_.splice;
  if (film_.header_bytes == 0) {
    const auto first = find_sync(cache_, kind, 0);
    if (!first) return std::unexpected{first.error()};
    film_.header_bytes = first->value_or(0);
  }
  std::uint64_t from = std::max(film_.header_bytes, cache_.size() - std::min(cache_.size(), kTailBytes));
  std::uint64_t last = film_.header_bytes;
  for (;;) {
    const auto sync = find_sync(cache_, kind, from);
    if (!sync) return std::unexpected{sync.error()};
    if (!*sync) break;
    last = **sync;
    from = last + 1;
  }
  if (const auto opened = reopen_at(last); !opened) return opened;
  const Packet packet = make_packet();
  for (;;) {
    const auto more = next(*packet);
    if (!more) return std::unexpected{more.error()};
    if (!*more) break;
    const auto time = time_us(*packet);
    const AVRational base = streams_[static_cast<std::size_t>(packet->stream_index)].time_base;
    if (time)
      film_.duration_us = std::clamp(*time + av_rescale_q(packet->duration, base, kMicroseconds), film_.duration_us, kMaxScannedTimeUs);
  }
  film_.cuts = plan_equal_cuts(film_.duration_us, kSearchSegmentUs);
  return {};
}

void FilmReader::remember_streams() {
  for (unsigned i = 0; i < container_->format().nb_streams; ++i) {
    const AVStream& stream = container_->stream(static_cast<int>(i));
    StreamFacts facts{.parameters = copy_parameters(*stream.codecpar), .time_base = stream.time_base};
    facts.frame_rate = stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
    if (facts.parameters->sample_aspect_ratio.num == 0) facts.parameters->sample_aspect_ratio = stream.sample_aspect_ratio;
    std::size_t size = 0;
    const std::uint8_t* matrix = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (matrix != nullptr) facts.display_matrix = base::to_bytes(view(matrix, static_cast<int>(size)));
    if (stream.start_time != AV_NOPTS_VALUE) facts.start = stream.start_time;
    streams_.push_back(std::move(facts));
  }
}

std::expected<void, DemandError> FilmReader::ensure_open() {
  if (container_ && !container_->failure()) return {};
  return reopen_at(std::nullopt);
}

std::expected<void, DemandError> FilmReader::reopen_at(std::optional<std::uint64_t> position) {
  container_.reset();
  Container::Options options{.name = options_.name, .ignore_index = film_.splice == SpliceKind::mp4};
  options.find_stream_info = !film_.splice && film_.seek_by != SeekBy::container_index;   // streams may come with the packets
  if (position && film_.splice) options.splice = make_splice(*film_.splice, film_.header_bytes, *position);
  auto opened = Container::open(cache_, options);
  if (!opened) return std::unexpected{opened.error() == DemandError::not_media ? DemandError::corrupt : opened.error()};
  if ((*opened)->format().nb_streams < streams_.size()) return std::unexpected{DemandError::corrupt};
  container_ = std::move(*opened);
  return {};
}

// MP4 alone can read one track without passing over the others' bytes.
void FilmReader::keep_only(int stream) {
  if (!container_->is("mov")) return;
  for (unsigned i = 0; i < container_->format().nb_streams; ++i) {
    container_->stream(static_cast<int>(i)).discard = static_cast<int>(i) == stream ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
  }
}

std::expected<void, DemandError> FilmReader::go_to_time(int stream, std::int64_t time_us) {
  return container_->seek(
      stream, to_stream(std::max<std::int64_t>(time_us, 0) + film_.origin_us, streams_[static_cast<std::size_t>(stream)].time_base));
}

// Pictures of a program stream begin anywhere in its packets: only a parser that saw the one before cuts them right.
std::int64_t FilmReader::byte_lead() const { return container_->is("mpeg") ? kProgramStreamLead : 0; }

std::expected<void, DemandError> FilmReader::go_to_start() {
  const bool by_bytes = container_->is("mpegts") || container_->is("mpeg");   // their time stamps do not grow from the first on
  if (by_bytes ? container_->seek_to_byte(0).has_value() : go_to_time(film_.reference, 0).has_value()) return {};
  return reopen_at(std::nullopt);
}

std::expected<void, DemandError> FilmReader::go_to(std::size_t number, int stream, std::int64_t lead_us) {
  base::check(number < film_.cuts.size(), "a segment lies within its film");
  if (const auto open = ensure_open(); !open) return open;
  const Key& cut = film_.cuts[number];
  switch (film_.seek_by) {
    case SeekBy::container_index:
      keep_only(stream);
      if (container_->is("mov") && stream != film_.reference) return go_to_time(stream, cut.time_us - lead_us);
      return container_->seek(film_.reference, cut.id);
    case SeekBy::position:
      if (film_.splice) return reopen_at(number == 0 ? std::nullopt : std::optional{static_cast<std::uint64_t>(cut.position)});
      return container_->seek_to_byte(number == 0 ? 0 : static_cast<std::uint64_t>(std::max<std::int64_t>(cut.position - byte_lead(), 0)));
    case SeekBy::demuxer_search:
      if (number == 0) return go_to_start();
      return go_to_time(film_.reference, cut.time_us - kSearchLeadUs);
    case SeekBy::sync_search: {
      if (number == 0) return reopen_at(std::nullopt);
      const auto position = search(cut.time_us);
      if (!position) return std::unexpected{position.error()};
      return reopen_at(*position);
    }
  }
  return {};
}

// The time of the first packet of the reference stream that is met from there on.
std::expected<std::optional<std::int64_t>, DemandError> FilmReader::time_at(std::uint64_t position) {
  if (const auto opened = reopen_at(position); !opened) return std::unexpected{opened.error()};
  const Packet packet = make_packet();
  for (int i = 0; i < kPacketsForTime; ++i) {
    const auto more = next(*packet);
    if (!more) return std::unexpected{more.error()};
    if (!*more) break;
    if (packet->stream_index == film_.reference) return time_us(*packet);
  }
  return std::optional<std::int64_t>{};
}

// The last place found whose time is not after `time_us`: halving between the header and the end, by bytes.
std::expected<std::optional<std::uint64_t>, DemandError> FilmReader::search(std::int64_t time_us) {
  std::uint64_t low = film_.header_bytes;
  std::uint64_t high = cache_.size();
  std::optional<std::uint64_t> best;
  for (int step = 0; step < kSearchSteps && low < high; ++step) {
    // The first guess takes the film's rate as constant; what follows halves.
    std::uint64_t guess = low + (high - low) / 2;
    if (step == 0 && film_.duration_us > 0) {
      guess = low + static_cast<std::uint64_t>(static_cast<double>(high - low) * static_cast<double>(time_us) /
                                               static_cast<double>(film_.duration_us));
    }
    const auto sync = find_sync(cache_, *film_.splice, guess);
    if (!sync) return std::unexpected{sync.error()};
    std::expected<std::optional<std::int64_t>, DemandError> time{std::nullopt};
    if (*sync && **sync < high) time = time_at(**sync);
    if (!time) return std::unexpected{time.error()};
    if (!*time || **time > time_us) {
      high = guess;
      continue;
    }
    best = **sync;
    low = **sync + 1;
    if (time_us - **time <= kSearchGoodUs) break;
  }
  return best;
}

std::expected<bool, DemandError> FilmReader::next(AVPacket& packet) {
  if (cancelled()) return std::unexpected{DemandError::cancelled};
  for (;;) {
    const auto more = container_->read(packet);
    if (!more || !*more) return more;
    const auto index = static_cast<std::size_t>(packet.stream_index);
    if (index < streams_.size()) return true;   // streams that turn up later are not known
  }
}

std::optional<std::int64_t> FilmReader::time_us(const AVPacket& packet) const {
  return film_.time_us(packet, streams_[static_cast<std::size_t>(packet.stream_index)].time_base);
}

std::optional<std::int64_t> FilmReader::id(const AVPacket& packet) const {
  return film_.id(packet, streams_[static_cast<std::size_t>(packet.stream_index)].time_base);
}

}  // namespace runnel::media_helper
