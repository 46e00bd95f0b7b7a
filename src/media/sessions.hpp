// Sessions with runnel-media, the separate program that holds FFmpeg (design decision 16). Each session is one helper
// process: started when needed, watched, killed when it hangs or when the session object goes, started again by its user.
// All calls and callbacks on the service thread (the io_context given); no callback comes from inside a call, nor after
// the session is destroyed.
#pragma once
#include <boost/asio/io_context.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "media/content_reader.hpp"
#include "media/session_types.hpp"

namespace runnel::media {

// Where runnel-media lies: beside the running program, else on PATH.
struct HelperConfig {
  std::string program;
};

// ---- ingest: any source to live CMAF chunks -------------------------------------------------------------------------
struct IngestConfig {
  HelperConfig helper;
  // A file path, "-" (standard input is handed to the helper), "test:", rtmp://ADDR:PORT/APP/KEY and srt://ADDR:PORT?streamid=KEY
  // (both listen), http(s)/rtsp URL (pulled).
  std::string source;
  bool loop = false;                       // a file starts again at its end, as a new epoch
  std::vector<std::uint32_t> ladder;       // heights; empty: one rendition, passed through when the codecs can be played
  // No source: a transport stream comes from a swarm, by feed(), to a helper without network and files.
  bool fed = false;
};

struct IngestEvents {
  // The helper listens for a publisher at this URL (rtmp, srt; port 0 resolved), secret left out.
  std::function<void(std::string url)> on_listening;
  std::function<void(const InitSegment&)> on_init;
  std::function<void(const MediaChunk&)> on_chunk;
  std::function<void(std::string line)> on_notice;   // something a user should read: publisher came, went, refused
  std::function<void()> on_end;                      // the source has ended for good
  std::function<void(std::string message)> on_error; // the session is over; the message says what to do
};

class IngestSession {
 public:
  virtual ~IngestSession() = default;
  // Of a session that is fed: whole 188-byte packets. What a helper is too slow for is left out.
  virtual void feed(base::Bytes packets) = 0;
};
std::unique_ptr<IngestSession> start_ingest(boost::asio::io_context& io, IngestConfig config, IngestEvents events);

// ---- live.ts: CMAF chunks to one MPEG-TS byte stream ----------------------------------------------------------------
class TsSession {
 public:
  virtual ~TsSession() = default;
  virtual void feed(const InitSegment& init) = 0;   // first, and again for each new epoch
  virtual void feed(const MediaChunk& chunk) = 0;
};
struct TsEvents {
  // Whole 188-byte packets. `starts_independent`: a reader may begin with these bytes (PAT, PMT and an IDR follow).
  std::function<void(std::shared_ptr<const base::Bytes> packets, bool starts_independent)> on_packets;
  std::function<void(std::string message)> on_error;
};
std::unique_ptr<TsSession> start_ts(boost::asio::io_context& io, HelperConfig helper, TsEvents events);

// ---- on demand: a film read by offset and length to CMAF segments ---------------------------------------------------
class DemandSession {
 public:
  template <class T>
  using Callback = std::function<void(std::expected<T, std::string>)>;
  using Segment = std::shared_ptr<const base::Bytes>;

  virtual ~DemandSession() = default;
  // Known once the container's index was read (or `scanned_index` was parsed). Answered at once when it is known already.
  virtual void index(Callback<DemandIndex> callback) = 0;
  // CMAF header of one track: `track` is its position in DemandIndex::tracks.
  virtual void init(std::uint32_t track, Callback<Segment> callback) = 0;
  // Segment `number` of one track, moof + mdat; for subtitles a WebVTT document. A newer request for the same track overtakes older ones.
  virtual void segment(std::uint32_t track, std::uint32_t number, Callback<Segment> callback) = 0;
};
struct DemandConfig {
  HelperConfig helper;
  std::string name;  // file name, a hint for the demuxer
  std::optional<base::Bytes> scanned_index;  // what scan_index() gave the caster, where the container has none
};
// `content` outlives the session.
std::unique_ptr<DemandSession> start_demand(boost::asio::io_context& io, DemandConfig config, ContentReader& content);

// ---- scan: does a file need an index of its own, and which? ---------------------------------------------------------
struct ScanResult {
  bool is_media = false;
  std::string mime;  // for the page: "video/mp4", ...; "application/octet-stream" if not media
  base::Duration duration{};
  std::vector<TrackInfo> tracks;
  std::optional<base::Bytes> index;  // set where the container has no index of its own
  std::string reason;  // why it is not media, for a user: not media at all, an MP4 whose end is missing, ...
};
// Reads a file of the caster's own. Destroying the returned handle cancels.
class ScanSession {
 public:
  virtual ~ScanSession() = default;
};
std::unique_ptr<ScanSession> start_scan(boost::asio::io_context& io, HelperConfig helper, std::string path,
                                        std::function<void(std::expected<ScanResult, std::string>)> callback);

}  // namespace runnel::media
