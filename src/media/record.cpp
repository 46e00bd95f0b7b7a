#include "media/record.hpp"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>

#include "base/check.hpp"
#include "media/printable.hpp"

namespace runnel::media {
namespace {

constexpr std::uint32_t kMagic = 0x524E'4C31;  // "RNL1"
constexpr std::size_t kCrcOffset = 52;
constexpr std::size_t kMaxName = 255;                         // what a one-byte length holds
constexpr std::uint64_t kMaxMediaTime = 315'360'000'000'000;  // ten years in microseconds
constexpr std::uint32_t kMaxDuration = 600'000'000;           // ten minutes in microseconds: a picture that stands still

// CRC-32C as iSCSI has it (RFC 3720 12.1), of a whole record, its own field taken as zeros.
std::uint32_t record_crc(base::ByteView record) {
  constexpr std::array<std::byte, 4> kZeros{};
  std::uint32_t crc = ~0U;
  for (const base::ByteView part : {record.first(kCrcOffset), base::ByteView{kZeros}, record.subspan(kCrcOffset + kZeros.size())}) {
    // The library reads only, though its parameter does not say so.
    auto* bytes = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(part.data()));
    crc = crc32_iscsi(bytes, static_cast<int>(part.size()), crc);
  }
  return ~crc;
}

struct Header {
  std::uint32_t length = 0;
  std::uint8_t kind = 0;
  std::uint8_t flags = 0;
  std::uint16_t header_length = kRecordHeaderBytes;
  std::uint32_t epoch = 0;
  std::uint64_t media_time = 0;
  std::uint32_t duration = 0;
  std::uint32_t init_length = 0;
  std::uint64_t ntp = 0;
  std::uint64_t newest_independent = kNoIndependent;
  std::uint32_t payload_length = 0;
  std::uint32_t crc = 0;
  std::uint64_t follows = kNothingBefore;   // beyond kRecordHeaderBytes

  [[nodiscard]] bool independent() const { return (flags & 1U) != 0; }
};

void put_header(base::Writer& out, const Header& h) {
  out.write(kMagic);
  out.write(h.length);
  out.write(h.kind);
  out.write(h.flags);
  out.write(h.header_length);
  out.write(h.epoch);
  out.write(h.media_time);
  out.write(h.duration);
  out.write(h.init_length);
  out.write(h.ntp);
  out.write(h.newest_independent);
  out.write(h.payload_length);
  out.write(std::uint32_t{0});
  if (h.follows != kNothingBefore) out.write(h.follows);
}

bool in_bounds(const Header& h) {
  const std::uint64_t sum = std::uint64_t{h.header_length} + h.init_length + h.payload_length;
  const bool sizes = h.length <= kMaxRecordSize && sum == h.length && h.header_length >= kRecordHeaderBytes &&
                     h.header_length <= kMaxRecordHeaderBytes && h.init_length <= kMaxInitBlock;
  const bool media = h.kind == static_cast<std::uint8_t>(RecordKind::media);
  const bool init = (h.init_length > 0) == (media && h.independent());
  return sizes && init && h.media_time <= kMaxMediaTime && h.duration <= kMaxDuration && (h.ntp >> 32U) >= base::kNtpUnixOffsetSeconds;
}

std::expected<Header, RecordError> get_header(base::ByteView bytes) {
  if (bytes.size() < kRecordHeaderBytes || base::load_big_endian<std::uint32_t>(bytes.data()) != kMagic) {
    return std::unexpected{RecordError::no_record};
  }
  const auto at = [&]<class T>(std::size_t offset, T& value) { value = base::load_big_endian<T>(bytes.data() + offset); };
  Header h;
  at(4, h.length);
  at(8, h.kind);
  at(9, h.flags);
  at(10, h.header_length);
  at(12, h.epoch);
  at(16, h.media_time);
  at(24, h.duration);
  at(28, h.init_length);
  at(32, h.ntp);
  at(40, h.newest_independent);
  at(48, h.payload_length);
  at(kCrcOffset, h.crc);
  if (h.header_length >= kFollowingHeaderBytes && bytes.size() >= kFollowingHeaderBytes) at(kRecordHeaderBytes, h.follows);
  if (!in_bounds(h)) return std::unexpected{RecordError::bad_header};
  return h;
}

std::string_view cut(std::string_view text, std::size_t limit) {
  std::size_t size = std::min(text.size(), limit);
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;  // whole characters
  return text.substr(0, size);
}

template <std::unsigned_integral Length>
void put_text(base::Writer& out, std::string_view text, std::size_t limit) {
  const std::string_view part = cut(text, limit);
  out.write(static_cast<Length>(part.size()));
  out.write_view(base::as_bytes(part));
}
void put_id(base::Writer& out, base::ByteView id) {
  base::check(id.size() <= kMaxSwarmId, "a swarm id in a record is within its limit");
  out.write(static_cast<std::uint16_t>(id.size()));
  out.write_view(id);
}

// Reads from a payload; once something does not fit it stays failed and gives empty values.
class Fields {
 public:
  explicit Fields(base::ByteView bytes) : reader_(bytes) {}
  template <std::unsigned_integral T>
  T number() {
    const auto got = reader_.read<T>();
    if (!got) good_ = false;
    return good_ ? *got : T{0};
  }
  template <std::unsigned_integral Length>
  base::ByteView bytes(std::size_t limit) {
    const std::size_t size = number<Length>();
    const auto got = reader_.read_view(size);
    if (!got || size > limit) good_ = false;
    return good_ ? *got : base::ByteView{};
  }
  template <std::unsigned_integral Length>
  std::string text(std::size_t limit) {
    std::string text{base::as_text(bytes<Length>(limit))};
    make_printable(text);
    return text;
  }
  std::size_t count(std::size_t limit) {
    const std::size_t n = number<std::uint8_t>();
    if (n > limit) good_ = false;
    return good_ ? n : 0;
  }
  void require(bool holds) { good_ = good_ && holds; }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] base::ByteView rest() const { return reader_.rest(); }

 private:
  base::Reader reader_;
  bool good_ = true;
};

void put_track(base::Writer& out, const TrackInfo& t) {
  out.write(static_cast<std::uint8_t>(t.kind));
  out.write(static_cast<std::uint8_t>(std::min<std::uint32_t>(t.number, 255)));
  out.write(static_cast<std::uint8_t>(t.transcoded ? 1 : 0));
  put_text<std::uint8_t>(out, t.codec, kMaxName);
  put_text<std::uint8_t>(out, t.codecs, kMaxName);
  put_text<std::uint8_t>(out, t.language, kMaxName);
  put_text<std::uint8_t>(out, t.title, kMaxName);
  out.write(t.width);
  out.write(t.height);
  out.write(static_cast<std::uint32_t>(std::lround(std::clamp(t.frame_rate, 0.0, 1e6) * 1000)));
  out.write(t.sample_rate);
  out.write(static_cast<std::uint16_t>(std::min<std::uint32_t>(t.channels, 0xffff)));
  out.write(t.bit_rate);
}

TrackInfo get_track(Fields& in) {
  TrackInfo t;
  const auto kind = in.number<std::uint8_t>();
  in.require(kind <= static_cast<std::uint8_t>(TrackKind::subtitle));
  t.kind = static_cast<TrackKind>(in.good() ? kind : 0);
  t.number = in.number<std::uint8_t>();
  t.transcoded = (in.number<std::uint8_t>() & 1U) != 0;
  t.codec = in.text<std::uint8_t>(kMaxName);
  t.codecs = in.text<std::uint8_t>(kMaxName);
  t.language = in.text<std::uint8_t>(kMaxName);
  t.title = in.text<std::uint8_t>(kMaxName);
  t.width = in.number<std::uint32_t>();
  t.height = in.number<std::uint32_t>();
  t.frame_rate = in.number<std::uint32_t>() / 1000.0;
  t.sample_rate = in.number<std::uint32_t>();
  t.channels = in.number<std::uint16_t>();
  t.bit_rate = in.number<std::uint64_t>();
  return t;
}

base::Bytes make_init_block(const InitSegment& init) {
  base::check(fits_record(init), "the header of a live stream is within its limits");
  base::Bytes block;
  base::Writer out{block};
  out.write(static_cast<std::uint8_t>(init.tracks.size()));
  for (const TrackInfo& t : init.tracks) put_track(out, t);
  out.write_view(*init.bytes);
  return block;
}

std::optional<InitSegment> parse_init_block(base::ByteView block, std::uint32_t epoch) {
  Fields in{block};
  InitSegment init;
  init.epoch = epoch;
  const std::size_t count = in.count(kMaxRecordTracks);
  for (std::size_t i = 0; i < count && in.good(); ++i) init.tracks.push_back(get_track(in));
  if (!in.good()) return std::nullopt;
  init.bytes = std::make_shared<const base::Bytes>(base::to_bytes(in.rest()));
  return init;
}

std::optional<Catalog> parse_catalog(base::ByteView payload) {
  Fields in{payload};
  Catalog catalog;
  catalog.title = in.text<std::uint16_t>(kMaxTitle);
  const std::size_t count = in.count(kMaxRenditions);
  for (std::size_t i = 0; i < count && in.good(); ++i) {
    Rendition& r = catalog.renditions.emplace_back();
    r.swarm_id = base::to_bytes(in.bytes<std::uint16_t>(kMaxSwarmId));
    r.width = in.number<std::uint32_t>();
    r.height = in.number<std::uint32_t>();
    r.bit_rate = in.number<std::uint64_t>();
    r.codecs = in.text<std::uint8_t>(kMaxName);
  }
  return in.good() ? std::optional{std::move(catalog)} : std::nullopt;
}

std::optional<StreamEnd> parse_end(base::ByteView payload) {
  Fields in{payload};
  StreamEnd end;
  const std::size_t count = in.count(kMaxRecordedFiles);
  for (std::size_t i = 0; i < count && in.good(); ++i) {
    RecordedFile& f = end.files.emplace_back();
    f.epoch = in.number<std::uint32_t>();
    f.swarm_id = base::to_bytes(in.bytes<std::uint16_t>(kMaxSwarmId));
    f.bytes = in.number<std::uint64_t>();
    f.name = in.text<std::uint16_t>(kMaxTitle);
  }
  for (std::size_t i = 0; i < end.files.size() && in.good() && !in.rest().empty(); ++i) {
    RecordedIndex index;
    index.swarm_id = base::to_bytes(in.bytes<std::uint16_t>(kMaxSwarmId));
    index.bytes = in.number<std::uint64_t>();
    if (!index.swarm_id.empty()) end.files[i].index = std::move(index);
  }
  return in.good() ? std::optional{std::move(end)} : std::nullopt;
}

base::Bytes make_record(Header h, base::ByteView init, base::ByteView payload) {
  h.init_length = static_cast<std::uint32_t>(init.size());
  h.payload_length = static_cast<std::uint32_t>(payload.size());
  if (h.follows != kNothingBefore) h.header_length = kFollowingHeaderBytes;
  h.length = static_cast<std::uint32_t>(h.header_length + init.size() + payload.size());
  base::Bytes record;
  record.reserve(h.length);
  base::Writer out{record};
  put_header(out, h);
  out.write_view(init);
  out.write_view(payload);
  base::store_big_endian(record.data() + kCrcOffset, record_crc(record));
  return record;
}

}  // namespace

std::string_view message(RecordError error) {
  switch (error) {
    case RecordError::no_record: return "no record begins here";
    case RecordError::bad_header: return "a record's header contradicts itself";
    case RecordError::bad_checksum: return "a record's checksum is wrong";
    case RecordError::bad_payload: return "a record's contents cannot be read";
    case RecordError::unknown_kind: return "a record is of a later version";
    case RecordError::cut_off: return "a record is incomplete";
  }
  return "";
}

std::expected<std::size_t, RecordError> record_length(base::ByteView header) {
  const auto h = get_header(header);
  if (!h) return std::unexpected{h.error()};
  return h->length;
}

std::expected<std::uint64_t, RecordError> newest_independent(base::ByteView header) {
  const auto h = get_header(header);
  if (!h) return std::unexpected{h.error()};
  return h->newest_independent;
}

std::expected<std::uint64_t, RecordError> followed_chunk(base::ByteView header) {
  const auto h = get_header(header);
  if (!h) return std::unexpected{h.error()};
  return h->follows;
}

bool names_recording(base::ByteView beginning) {
  const auto h = get_header(beginning);
  return h && h->kind == static_cast<std::uint8_t>(RecordKind::end) && beginning.size() > h->header_length &&
         beginning[h->header_length] != std::byte{0};
}

bool fits_record(const InitSegment& init) { return init.tracks.size() <= kMaxRecordTracks && init.bytes->size() <= kMaxLiveHeader; }

void RecordWriter::resume(std::uint32_t epoch, std::uint64_t newest_independent) {
  epoch_ = epoch;
  newest_independent_ = newest_independent;
}

base::Bytes RecordWriter::plain(RecordKind kind, base::WallTime now, base::ByteView payload) const {
  Header h;
  h.kind = static_cast<std::uint8_t>(kind);
  h.epoch = epoch_;
  h.ntp = base::to_ntp(now);
  h.newest_independent = newest_independent_;
  h.follows = follows_;
  return make_record(h, {}, payload);
}

base::Bytes RecordWriter::init(const InitSegment& init, base::WallTime now) {
  epoch_ = init.epoch;
  init_block_ = make_init_block(init);
  return plain(RecordKind::init, now, init_block_);
}

std::optional<base::Bytes> RecordWriter::media(const MediaChunk& chunk, std::uint64_t index) {
  base::check(chunk.epoch == epoch_ && !init_block_.empty(), "a chunk follows the header of its epoch");
  const base::ByteView init = chunk.independent ? base::ByteView{init_block_} : base::ByteView{};
  if (kFollowingHeaderBytes + init.size() + chunk.bytes->size() > kMaxRecordSize) return std::nullopt;
  if (chunk.independent) newest_independent_ = index;
  Header h;
  h.kind = static_cast<std::uint8_t>(RecordKind::media);
  h.flags = chunk.independent ? 1 : 0;
  h.epoch = epoch_;
  h.media_time = std::min(static_cast<std::uint64_t>(std::max<base::Duration::rep>(chunk.media_time.count(), 0)), kMaxMediaTime);
  h.duration = static_cast<std::uint32_t>(std::clamp<base::Duration::rep>(chunk.duration.count(), 0, kMaxDuration));
  h.ntp = base::to_ntp(chunk.captured);
  h.newest_independent = newest_independent_;
  h.follows = follows_;
  return make_record(h, init, *chunk.bytes);
}

base::Bytes RecordWriter::catalog(const Catalog& catalog, base::WallTime now) const {
  base::check(catalog.renditions.size() <= kMaxRenditions, "the renditions of a stream are within their limit");
  base::Bytes payload;
  base::Writer out{payload};
  put_text<std::uint16_t>(out, catalog.title, kMaxTitle);
  out.write(static_cast<std::uint8_t>(catalog.renditions.size()));
  for (const Rendition& r : catalog.renditions) {
    put_id(out, r.swarm_id);
    out.write(r.width);
    out.write(r.height);
    out.write(r.bit_rate);
    put_text<std::uint8_t>(out, r.codecs, kMaxName);
  }
  return plain(RecordKind::catalog, now, payload);
}

base::Bytes RecordWriter::end(const StreamEnd& end, base::WallTime now) const {
  base::check(end.files.size() <= kMaxRecordedFiles, "the files of a recording are within their limit");
  base::Bytes payload;
  base::Writer out{payload};
  out.write(static_cast<std::uint8_t>(end.files.size()));
  for (const RecordedFile& f : end.files) {
    out.write(f.epoch);
    put_id(out, f.swarm_id);
    out.write(f.bytes);
    put_text<std::uint16_t>(out, f.name, kMaxTitle);
  }
  if (std::ranges::any_of(end.files, [](const RecordedFile& f) { return f.index.has_value(); })) {
    for (const RecordedFile& f : end.files) {
      const RecordedIndex index = f.index.value_or(RecordedIndex{});
      put_id(out, index.swarm_id);
      out.write(index.bytes);
    }
  }
  return plain(RecordKind::end, now, payload);
}

// nullopt: does not parse. Remembers what it gave.
std::optional<InitSegment> RecordReader::fresh_init(base::ByteView block, std::uint32_t epoch) {
  auto init = parse_init_block(block, epoch);
  if (!init) return std::nullopt;
  last_init_ = base::to_bytes(block);
  last_init_epoch_ = epoch;
  return init;
}

// `record` has the size that its header tells, and the header was checked.
RecordReader::Result RecordReader::parse(base::ByteView record) {
  const auto header = get_header(record);
  if (!header) return std::unexpected{header.error()};
  const Header& h = *header;
  if (record_crc(record) != h.crc) return std::unexpected{RecordError::bad_checksum};
  const base::ByteView init = record.subspan(h.header_length, h.init_length);
  const base::ByteView payload = record.subspan(h.header_length + h.init_length);
  Record out{.epoch = h.epoch, .time = base::from_ntp(h.ntp), .newest_independent = h.newest_independent, .content = {}};
  const std::unexpected bad{RecordError::bad_payload};
  switch (h.kind) {  // a number from outside, not an enum
    case static_cast<std::uint8_t>(RecordKind::init): {
      auto got = payload.size() <= kMaxInitBlock ? fresh_init(payload, h.epoch) : std::nullopt;
      if (!got) return bad;
      out.content = std::move(*got);
      return out;
    }
    case static_cast<std::uint8_t>(RecordKind::media): {
      MediaRecord media;
      const bool known = last_init_epoch_ == h.epoch && base::equal(last_init_, init);
      if (h.independent() && !known && !(media.init = fresh_init(init, h.epoch))) return bad;
      media.chunk = {h.epoch,
                     h.independent(),
                     base::Duration{static_cast<base::Duration::rep>(h.media_time)},
                     base::Duration{h.duration},
                     out.time,
                     std::make_shared<const base::Bytes>(base::to_bytes(payload))};
      out.content = std::move(media);
      return out;
    }
    case static_cast<std::uint8_t>(RecordKind::catalog): {
      auto got = parse_catalog(payload);
      if (!got) return bad;
      out.content = std::move(*got);
      return out;
    }
    case static_cast<std::uint8_t>(RecordKind::end): {
      auto got = parse_end(payload);
      if (!got) return bad;
      out.content = std::move(*got);
      return out;
    }
    default: return std::unexpected{RecordError::unknown_kind};
  }
}

std::optional<RecordReader::Result> RecordReader::skip(RecordError error) {
  gap();
  return Result{std::unexpected{error}};
}

void RecordReader::gap() {
  partial_.clear();
  wanted_ = 0;
  collecting_ = false;
}

std::optional<RecordReader::Result> RecordReader::feed(base::ByteView bytes, bool starts_munro) {
  if (!collecting_) {
    if (!starts_munro || bytes.empty()) return std::nullopt;
    collecting_ = true;
  }
  if (wanted_ == 0) {  // the header may come in pieces, but never past its munro
    if (starts_munro && !partial_.empty()) return skip(RecordError::cut_off);
    const std::size_t missing = std::min(kRecordHeaderBytes - partial_.size(), bytes.size());
    partial_.insert(partial_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(missing));
    bytes = bytes.subspan(missing);
    if (partial_.size() < kRecordHeaderBytes) return std::nullopt;
    const auto length = record_length(partial_);
    if (!length) return skip(length.error());
    wanted_ = *length;
    partial_.reserve(wanted_);
  }
  const std::size_t take = std::min(wanted_ - partial_.size(), bytes.size());
  partial_.insert(partial_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(take));
  if (partial_.size() < wanted_) return std::nullopt;
  const base::Bytes whole = std::move(partial_);
  gap();
  return parse(whole);
}

}  // namespace runnel::media
