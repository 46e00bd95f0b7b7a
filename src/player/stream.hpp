// What the HTTP server shows of a node: its streams, their media and their state. Node implements, player serves.
// All on the service thread.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "core/swarm/io.hpp"
#include "media/content_reader.hpp"
#include "media/live_timeline.hpp"
#include "media/sessions.hpp"

namespace runnel::player {

// One peer of one swarm, as this node sees it. Byte counts are chunk payload since the start, duplicates included.
struct PeerStatus {
  std::string address;               // host:port
  std::string direction;             // "out" (we called) or "in"
  bool is_caster = false;            // best knowledge; for display only
  bool sealed = false;               // nobody on the way can read or change what is said
  std::uint64_t down_bytes = 0;
  std::uint64_t up_bytes = 0;
  std::uint64_t down_rate = 0;       // bytes per second, over the last seconds
  std::uint64_t up_rate = 0;
  std::uint64_t rejected_chunks = 0;
  double rtt_ms = 0;                 // smoothed
  double queue_delay_ms = 0;         // LEDBAT's estimate
  double have_fraction = 0;          // of the content (on demand) or of the window (live), 0..1
  bool choking_us = false;
  bool choked_by_us = false;
};

// Where the delay of live media arises before this node could play it.
struct LagParts {
  double source_s = 0;               // from the first picture's coming to the caster until its record is signed
  double swarm_s = 0;                // from there until the record is whole here; 0 at the caster
};

struct StreamStatus {
  std::string state;                 // "connecting", "waiting for media", "playing", "seeding", "ended", "failed"
  std::string problem;               // empty, or what goes wrong and what to do
  std::uint64_t down_bytes = 0, up_bytes = 0, origin_bytes = 0, caster_bytes = 0;
  std::uint64_t down_rate = 0, up_rate = 0;   // bytes per second
  std::uint64_t verified = 0, rejected = 0;   // chunks
  std::uint64_t total_bytes = 0;     // on demand: size; live: 0
  std::uint64_t have_bytes = 0;      // on demand: verified bytes held
  double transfer_s = 0;             // on demand, once complete: from the first chunk that came to the last
  double buffer_s = 0;
  std::optional<double> lag_s;       // live only: age of the newest media that could be played now
  std::optional<LagParts> lag_parts;          // live, on the mean of the last second, by both clocks; not from older peers
  // Live, when watching: from the source's signing of a chunk to its being verified here, by both clocks.
  std::optional<swarm::DelayHistogram> chunk_delays;
  std::optional<swarm::PushState> push;       // live
  std::uint64_t wanted_chunks = 0;   // requested and not yet here
  std::uint64_t known_peers = 0;     // addresses heard of, connected or not
  std::vector<PeerStatus> peers;
  std::vector<std::string> trackers; // "url: state", one a line
};

// A stream of this node.
class Stream {
 public:
  virtual ~Stream() = default;
  [[nodiscard]] virtual const std::string& id() const = 0;         // lowercase hex, as in the link
  [[nodiscard]] virtual const std::string& title() const = 0;
  [[nodiscard]] virtual const std::string& link() const = 0;
  // What anyone may read who can open the page: the link, without the secret that a private stream's has.
  [[nodiscard]] virtual const std::string& open_link() const { return link(); }
  [[nodiscard]] virtual const std::string& role() const = 0;       // "cast" or "watch"
  [[nodiscard]] virtual bool is_live() const = 0;
  [[nodiscard]] virtual StreamStatus status() const = 0;
  // On demand; nullptr for a live stream or while the size is still unknown.
  virtual media::ContentReader* content() = 0;
  [[nodiscard]] virtual std::string mime() const = 0;              // of the content's bytes
  [[nodiscard]] virtual std::string file_name() const = 0;
  [[nodiscard]] virtual std::optional<base::Bytes> scanned_index() const = 0;
  // Live; nullptr for an on-demand stream.
  virtual media::LiveTimeline* timeline() = 0;
};

// The node as the HTTP server sees it.
class Streams {
 public:
  virtual ~Streams() = default;
  [[nodiscard]] virtual std::vector<Stream*> list() = 0;            // in the order they were added
  [[nodiscard]] virtual Stream* find(std::string_view id) = 0;      // nullptr if there is none
  [[nodiscard]] virtual std::string version() const = 0;
};

}  // namespace runnel::player
