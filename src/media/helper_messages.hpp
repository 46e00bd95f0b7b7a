// The messages between a node and runnel-media, framed over a stream socket pair (descriptor 3 in the helper):
//   u32 length of what follows (big-endian, 1..kMaxMessage) | u8 type | payload
// Integers are big-endian, texts and byte strings carry a u32 length, lists a u32 count, times are microseconds in 64 bits.
// The helper parses hostile media, so decode() trusts nothing: every list and text has a limit, and left-over bytes are an error.
// Pure functions; any thread.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "media/session_types.hpp"

namespace runnel::media::helper {

constexpr int kSocketDescriptor = 3;  // the helper's end of the socket pair
constexpr std::size_t kFrameHeaderBytes = 4;
constexpr std::size_t kMaxMessage = 64U << 20;  // bytes after the length; the largest segment of a 200 Mb/s film is below it
constexpr std::size_t kMaxTracks = 64;
constexpr std::size_t kMaxShortText = 256;  // codec, language, MIME type
constexpr std::size_t kMaxText = 4096;      // titles, lines and errors for a user, URLs
constexpr std::size_t kMaxPath = 16384;
constexpr std::size_t kMaxSegments = 1U << 18;  // segments of one film: six days at 2 s each
constexpr std::size_t kMaxLadder = 16;
constexpr std::size_t kMaxRead = 4U << 20;  // bytes in one Read: ContentReader::kMaxRead
constexpr base::Duration kMaxMediaTime = std::chrono::hours{24 * 365 * 10};
constexpr base::Duration kMaxWallTime = std::chrono::hours{24 * 366 * 130};  // since 1970

// ---- both ways ------------------------------------------------------------------------------------------------------
struct Heartbeat {};  // from the helper, each second, whatever else it does

// ---- node to helper: how to begin (the first message; never in argv, where every user of the machine could read keys) ---
struct StartIngest {
  std::string source;  // IngestConfig::source; "-" reads descriptor 0
  bool loop = false;
  std::vector<std::uint32_t> ladder;
  std::uint32_t first_epoch = 0;
};
struct StartTs {};
struct StartDemand {
  std::uint64_t size = 0;  // of the content, bytes
  std::string name;
  std::optional<base::Bytes> scanned_index;
};
struct StartScan {
  std::string path;
};
struct StartFollow {  // Packets come in
  std::uint32_t first_epoch = 0;
};

// ---- live -----------------------------------------------------------------------------------------------------------
struct Listening {
  std::string url;  // port resolved, no secret
};
struct Init {
  std::uint32_t epoch = 0;
  std::vector<TrackInfo> tracks;
  base::Bytes bytes;  // ftyp + moov
};
struct Chunk {
  std::uint32_t epoch = 0;
  bool independent = false;
  base::Duration media_time{};
  base::Duration duration{};
  base::WallTime captured{};
  base::Bytes bytes;  // moof + mdat
};
struct End {};
struct Error {
  std::string message;
};
struct Notice {
  std::string line;
};
struct FeedInit {  // node to helper, mode ts
  std::uint32_t epoch = 0;
  base::Bytes bytes;
};
struct FeedChunk {
  std::uint32_t epoch = 0;
  bool independent = false;
  base::Bytes bytes;
};
struct Packets {  // from the helper in mode ts, to it in mode follow
  bool starts_independent = false;
  base::Bytes bytes;  // whole 188-byte packets
};

// ---- on demand ------------------------------------------------------------------------------------------------------
// Ids pair a reply with its request; they are chosen by whoever asks.
template <class T>
using Result = std::expected<T, std::string>;  // the error is for a user

struct Read {  // helper to node: bytes of the content
  std::uint64_t id = 0;
  std::uint64_t offset = 0;
  std::uint32_t length = 0;  // 1..kMaxRead
};
struct CancelRead {
  std::uint64_t id = 0;
};
struct ReadReply {
  std::uint64_t id = 0;
  Result<base::Bytes> bytes;
};
struct GetIndex {
  std::uint64_t id = 0;
};
struct IndexReply {
  std::uint64_t id = 0;
  Result<DemandIndex> index;
};
struct GetInit {
  std::uint64_t id = 0;
  std::uint32_t track = 0;
};
struct GetSegment {
  std::uint64_t id = 0;
  std::uint32_t track = 0;
  std::uint32_t number = 0;
};
struct SegmentReply {  // answers GetInit and GetSegment
  std::uint64_t id = 0;
  Result<base::Bytes> bytes;
};
struct Scan {  // what ScanResult of sessions.hpp is made of
  bool is_media = false;
  std::string mime;
  base::Duration duration{};
  std::vector<TrackInfo> tracks;
  std::optional<base::Bytes> index;
  std::string reason;   // why it is not media; for a user
};
struct ScanReply {
  Result<Scan> result;
};

// The position in this list is the type byte.
using Message =
    std::variant<Heartbeat, StartIngest, StartTs, StartDemand, StartScan, Listening, Init, Chunk, End, Error, Notice, FeedInit, FeedChunk,
                 Packets, Read, CancelRead, ReadReply, GetIndex, IndexReply, GetInit, GetSegment, SegmentReply, ScanReply, StartFollow>;

enum class MessageError : std::uint8_t { too_long, unknown_type, truncated, out_of_bounds, left_over };
std::string_view message(MessageError error);

// The whole frame, length included. Texts past their limit are cut, at a character's start in UTF-8; more bytes than
// kMaxMessage or longer lists than allowed are a bug of the caller's (base::check).
base::Bytes encode(const Message& m);

// The size of the body that follows a frame's first kFrameHeaderBytes bytes (`header` has exactly these). Errors: too_long (also for 0).
[[nodiscard]] std::expected<std::size_t, MessageError> body_size(base::ByteView header);

// `body`: what follows the length. Owns what it returns. Texts for people come out printable (make_printable); paths as they are.
[[nodiscard]] std::expected<Message, MessageError> decode(base::ByteView body);

}  // namespace runnel::media::helper
