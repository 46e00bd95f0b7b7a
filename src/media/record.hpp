// The stream inside a live swarm: records to bytes and back. docs/STREAM.md is the format. Pure; one owner each, any thread.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "media/session_types.hpp"

namespace runnel::media {

constexpr std::size_t kRecordHeaderBytes = 56;
constexpr std::size_t kFollowingHeaderBytes = kRecordHeaderBytes + 8;   // of a record that tells what it follows
constexpr std::size_t kMaxRecordHeaderBytes = 4096;
constexpr std::size_t kMaxRecordSize = 4U << 20;  // bytes; a chunk of 100 ms at 300 Mb/s
constexpr std::size_t kMaxInitBlock = 64U << 10;  // bytes; headers seen are 1 to 2 kB
constexpr std::size_t kMaxRecordTracks = 16;
constexpr std::size_t kMaxLiveHeader = 32U << 10;  // bytes of ftyp + moov: with the tracks' texts it fits kMaxInitBlock
constexpr std::size_t kMaxRenditions = 16;
constexpr std::size_t kMaxRecordedFiles = 64;
constexpr std::size_t kMaxTitle = 1024;    // bytes
constexpr std::size_t kMaxSwarmId = 1024;  // bytes in wire form; RSA keys are the longest
constexpr std::uint64_t kNoIndependent = ~std::uint64_t{0};
constexpr std::uint64_t kNothingBefore = ~std::uint64_t{0};

struct Rendition {
  base::Bytes swarm_id;  // wire form
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint64_t bit_rate = 0;
  std::string codecs;
  friend bool operator==(const Rendition&, const Rendition&) = default;
};
struct Catalog {
  std::string title;
  std::vector<Rendition> renditions;  // empty: this swarm is the only one
  friend bool operator==(const Catalog&, const Catalog&) = default;
};
struct RecordedIndex {
  base::Bytes swarm_id;  // of the static swarm that holds the file's seek index
  std::uint64_t bytes = 0;
  friend bool operator==(const RecordedIndex&, const RecordedIndex&) = default;
};
struct RecordedFile {
  std::uint32_t epoch = 0;
  base::Bytes swarm_id;  // of the static swarm, wire form
  std::uint64_t bytes = 0;
  std::string name;
  std::optional<RecordedIndex> index;
  friend bool operator==(const RecordedFile&, const RecordedFile&) = default;
};
struct StreamEnd {
  std::vector<RecordedFile> files;  // empty: it was not recorded
  friend bool operator==(const StreamEnd&, const StreamEnd&) = default;
};

enum class RecordKind : std::uint8_t { init = 1, media = 2, catalog = 3, end = 4 };

enum class RecordError : std::uint8_t {
  no_record,   // no header with the magic where a record should begin
  bad_header,  // a length or a time is out of bounds or contradicts another
  bad_checksum,
  bad_payload,   // the payload of its kind does not parse
  unknown_kind,  // of a later version: skipped
  cut_off,       // another munro began, or bytes are missing, before the record was whole
};
std::string_view message(RecordError error);

// Whether a header may go into a live stream at all; asked of whatever makes headers out of a publisher's bytes.
[[nodiscard]] bool fits_record(const InitSegment& init);

// Makes records, and remembers what each of them must name: the INIT of the epoch and the newest independent one.
class RecordWriter {
 public:
  // `index`: the chunk index at which the record will begin. `now`: for the time stamp of what carries no media.
  // Content past the limits above (an init that does not fit_record()) is a bug of the caller's (base::check), except long texts,
  // which are cut.
  base::Bytes init(const InitSegment& init, base::WallTime now);
  // The chunk's epoch is that of the last init(). nullopt: the chunk is too large for a record and has to be left out.
  std::optional<base::Bytes> media(const MediaChunk& chunk, std::uint64_t index);
  base::Bytes catalog(const Catalog& catalog, base::WallTime now) const;
  base::Bytes end(const StreamEnd& end, base::WallTime now) const;

  // The swarm's newest chunk: records say that they follow it, so that readers know when something between is missing.
  void follow(std::uint64_t index) { follows_ = index; }
  // A caster that goes on in the same swarm after a restart tells what it knows.
  void resume(std::uint32_t epoch, std::uint64_t newest_independent);

 private:
  [[nodiscard]] base::Bytes plain(RecordKind kind, base::WallTime now, base::ByteView payload) const;

  std::uint32_t epoch_ = 0;
  std::uint64_t newest_independent_ = kNoIndependent;
  std::uint64_t follows_ = kNothingBefore;
  base::Bytes init_block_;
};

// One record as read.
struct MediaRecord {
  std::optional<InitSegment> init;  // set when the reader's user does not have this header yet: play it first
  MediaChunk chunk;
};
struct Record {
  std::uint32_t epoch = 0;
  base::WallTime time{};
  std::uint64_t newest_independent = kNoIndependent;
  std::variant<InitSegment, MediaRecord, Catalog, StreamEnd> content;
};

// Puts records together from verified bytes of munros in ascending order. Bytes come from a publisher that may be hostile or of a
// later version: whatever does not parse is skipped and told.
class RecordReader {
 public:
  using Result = std::expected<Record, RecordError>;

  // `bytes`: of one munro, contiguous with the last call's unless gap() was called between. `starts_munro`: they are its first
  // ones, so a record may begin here; a munro may come in several calls. The result is the record that these bytes made whole,
  // the reason why one was skipped, or nullopt while more bytes are needed or none are wanted until the next munro.
  [[nodiscard]] std::optional<Result> feed(base::ByteView bytes, bool starts_munro);
  // Bytes are missing between the last call and the next: what is there of a record is dropped.
  void gap();

  // Bytes that belong to the record under way: 0 when the next record is awaited.
  [[nodiscard]] std::size_t pending_bytes() const { return partial_.size(); }

 private:
  std::optional<Result> skip(RecordError error);
  Result parse(base::ByteView record);
  std::optional<InitSegment> fresh_init(base::ByteView block, std::uint32_t epoch);

  base::Bytes partial_;
  std::size_t wanted_ = 0;   // the record's length, 0 until its header is there
  bool collecting_ = false;  // inside a record
  base::Bytes last_init_;    // the init block handed out last, and of which epoch
  std::optional<std::uint32_t> last_init_epoch_;
};

// The length of a record from its first kRecordHeaderBytes bytes, with everything in the header checked but the CRC. For those who
// look for records without reading them.
[[nodiscard]] std::expected<std::size_t, RecordError> record_length(base::ByteView header);
// The index of the newest independent record that a record's header names; the bytes are as for record_length().
[[nodiscard]] std::expected<std::uint64_t, RecordError> newest_independent(base::ByteView header);
// The index of the chunk that a record follows, from its first kFollowingHeaderBytes bytes, or all of it if it is shorter;
// kNothingBefore where the header does not say.
[[nodiscard]] std::expected<std::uint64_t, RecordError> followed_chunk(base::ByteView header);
// Whether a record is an END that names the files of a recording, from its first bytes, payload included.
[[nodiscard]] bool names_recording(base::ByteView beginning);

}  // namespace runnel::media
