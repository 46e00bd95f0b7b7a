// What goes into the engine and what comes out of it: the whole surface between the protocol and the world.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/strong.hpp"
#include "base/time.hpp"
#include "core/swarm/delay_histogram.hpp"
#include "core/swarm/metadata.hpp"
#include "core/tree/node_store.hpp"
#include "core/tree/types.hpp"
#include "core/wire/types.hpp"
#include "crypto/hash.hpp"
#include "crypto/sign.hpp"

namespace runnel::crypto {
class CertificateChecker;
class CertificateIssuer;
}  // namespace runnel::crypto

namespace runnel::swarm {

// A swarm of this engine, named by whoever adds it.
using SwarmHandle = base::Strong<struct SwarmHandleTag, std::uint32_t>;
using LoadId = base::Strong<struct LoadIdTag, std::uint64_t>;

// ---- in -------------------------------------------------------------------------------------------------------------

struct DatagramIn {
  base::Endpoint from;
  base::ByteView bytes;
  std::optional<SwarmHandle> sealed;   // by the key of this swarm; nullopt: in the clear
  base::Duration waited{};             // since it came to this machine: on a busy one it may be long until it is read
};
// What was read together. What it brings is stored, acknowledged and asked for together.
struct DatagramsIn {
  std::span<const DatagramIn> datagrams;
  bool more = false;   // others follow at once: what can wait for them may
};
// A call that was to be sealed leads nowhere.
struct CallFailed {
  enum class Why : std::uint8_t {
    silent,      // nothing at all came back from there
    ourselves,   // what came back was our own call
  };
  wire::ChannelId local;
  Why why = Why::silent;
};

// An answer to LoadChunks: every chunk of the range, in order; none when they are not to be had.
struct LoadedChunks {
  LoadId id;
  std::span<const base::ByteView> chunks;
};
struct ChunksLoaded {
  std::span<const LoadedChunks> loads;
};

// The parts that a swarm works with. They outlive it and belong to the engine's thread.
struct SwarmParts {
  tree::NodeStore* nodes = nullptr;
  crypto::Hasher* hasher = nullptr;
  crypto::Verifier* verifier = nullptr;   // live
  crypto::Signer* signer = nullptr;       // live, at the source
  // Live, for peer exchange on the open internet; without them there is none. Unused in the older peers' form.
  crypto::CertificateIssuer* certificate_issuer = nullptr;     // at the source
  crypto::CertificateChecker* certificate_checker = nullptr;   // at viewers
};

enum class SealPolicy : std::uint8_t {
  never,       // whoever runs the engine cannot seal
  preferred,   // peers that know nothing of it are spoken to in the clear
  required,    // they are not spoken to: private swarms
};

struct AddSwarm {
  SwarmHandle swarm;
  Metadata metadata;
  SwarmParts parts;
  std::vector<tree::ChunkRange> verified;   // static: what the store holds already
  bool fetch_all = true;                    // static: fetch what no player asked for as well
  SealPolicy sealing = SealPolicy::never;
  bool push = false;                        // live: also by push, among those who do so too (docs/live.md)
};
struct RemoveSwarm {
  SwarmHandle swarm;
};
struct AddPeers {
  SwarmHandle swarm;
  std::vector<base::Endpoint> peers;
  bool trusted = false;   // from the link or the user: tried first, and again and again
};
// A reader needs `range`; the picker fetches it before anything else, the earliest deadline first. Answered by RangeReady.
struct Want {
  SwarmHandle swarm;
  std::uint64_t token = 0;
  tree::ChunkRange range;
  base::Time deadline;
};
struct Unwant {
  SwarmHandle swarm;
  std::uint64_t token = 0;
};
// The source appends one record of a live swarm: its chunks begin at `first`, the start of a munro (see LiveIndexer).
struct Publish {
  SwarmHandle swarm;
  tree::ChunkIndex first;
  base::ByteView record;
  base::WallTime now;
};
// A live viewer wants everything from `first` on (by default: from the live edge it met).
struct FollowFrom {
  SwarmHandle swarm;
  tree::ChunkIndex first;
};
// Live: the newest record that a player may begin with starts there. Those whom we meet are told.
struct NewBeginning {
  SwarmHandle swarm;
  tree::ChunkIndex first;
};
// Bytes per second; 0: no limit.
struct SetLimits {
  std::uint64_t max_upload = 0;
  std::uint64_t max_download = 0;
  bool no_upload = false;
};
// What was verified is gone or false on disk: it is fetched again.
struct ForgetChunks {
  SwarmHandle swarm;
  tree::ChunkRange range;
};
// The world's clock, told now and then: live edges are judged by it.
struct WallClock {
  base::WallTime now;
};

using Input = std::variant<DatagramsIn, CallFailed, ChunksLoaded, AddSwarm, RemoveSwarm, AddPeers, Want, Unwant, Publish, FollowFrom,
                           NewBeginning, SetLimits, ForgetChunks, WallClock>;

// ---- out ------------------------------------------------------------------------------------------------------------
// Views live until the next handle().

// Whose key seals a datagram, and which channel of ours it belongs to.
struct Sealing {
  SwarmHandle swarm;
  wire::ChannelId local;
  friend bool operator==(const Sealing&, const Sealing&) = default;
};
// Laid end to end: each `segment_size` bytes long, the last maybe shorter.
struct SendDatagrams {
  base::Endpoint to;
  base::ByteView bytes;
  std::uint16_t segment_size = 0;
  std::optional<Sealing> sealing;   // nullopt: in the clear
};
// Nothing sealed goes out on this channel any more.
struct ChannelClosed {
  wire::ChannelId local;
};
// All of `range` is verified. Answer with ChunksLoaded, when all outputs have been polled.
struct LoadChunks {
  LoadId id;
  SwarmHandle swarm;
  tree::ChunkRange range;
};
// Verified chunks.
struct StoreChunks {
  SwarmHandle swarm;
  std::span<const tree::ChunkRun> runs;
};

// Events, for whoever runs the engine.
struct SizeKnown {   // before the first StoreChunks of a swarm whose link named no size
  SwarmHandle swarm;
  std::uint64_t bytes = 0;
};
struct RangeReady {
  SwarmHandle swarm;
  std::uint64_t token = 0;
};
struct Completed {
  SwarmHandle swarm;
};
// Live: every used chunk of a munro is verified and stored.
struct MunroComplete {
  SwarmHandle swarm;
  tree::ChunkRange range;
};
// Live: the window moved; nothing below `first` is kept.
struct WindowMoved {
  SwarmHandle swarm;
  tree::ChunkIndex first;
};
struct PeerBanned {
  SwarmHandle swarm;
  base::Endpoint peer;
};
using Event = std::variant<SizeKnown, RangeReady, Completed, MunroComplete, WindowMoved, PeerBanned>;

using Output = std::variant<SendDatagrams, ChannelClosed, LoadChunks, StoreChunks, Event>;

// ---- state, for display ---------------------------------------------------------------------------------------------

struct PeerState {
  base::Endpoint endpoint;
  bool initiator = false;           // we called
  bool sealed = false;
  std::uint64_t down_bytes = 0;     // chunk payload, duplicates included
  std::uint64_t up_bytes = 0;
  std::uint64_t down_rate = 0;      // bytes per second
  std::uint64_t up_rate = 0;
  std::uint64_t rejected = 0;       // chunks
  base::Duration rtt{};
  base::Duration queue_delay{};     // LEDBAT's estimate of our queue towards it
  double have_fraction = 0;
  bool choking_us = false;
  bool choked_by_us = false;
  bool is_source = false;           // the first to show new live chunks, or a seed that was there from the start
};
// Of push (docs/live.md).
struct PushState {
  double stream_rate = 0;           // bytes per second on the wire; 0: not known yet
  double uplink = 0;                // as estimated, the same
  double pace = 0;                  // at which the pacer sends now
  double slots = 0;                 // sixteenths of the stream that may be passed on
  double slots_used = 0;
  unsigned parents = 0;             // trees with one, of the eighteen
  unsigned fed = 0;                 // trees by which something came lately
  base::Duration backlog{};         // what waits to be sent
  std::optional<base::Duration> line_queue;   // as receivers see it
  std::optional<unsigned> place;    // of one that gives nothing or came a moment ago, among those who wait for uplink
  // Since the start.
  std::uint64_t accepted = 0;       // children
  std::uint64_t refused = 0;
  std::uint64_t redirected = 0;     // children
  std::uint64_t introductions = 0;  // asked for
  std::uint64_t introduced = 0;     // and called
  std::uint64_t parents_found = 0;
  std::uint64_t parents_left = 0;   // dead, empty-handed or starving
  std::uint64_t nacks = 0;          // chunks that came to be asked for
  std::uint64_t busy = 0;           // of them, refused as we were busy
};
struct SwarmState {
  std::uint64_t down_bytes = 0;
  std::uint64_t up_bytes = 0;
  std::uint64_t verified = 0;       // chunks, since the start
  std::uint64_t rejected = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t have_chunks = 0;
  std::optional<std::uint64_t> total_chunks;
  std::optional<std::uint64_t> content_bytes;
  std::uint64_t wanted_chunks = 0;  // requested and not yet here
  std::uint64_t known_peers = 0;
  std::optional<tree::ChunkIndex> newest;     // live: newest index any neighbour shows
  std::vector<PeerState> peers;
  std::optional<PushState> push;              // live, where push works
  std::optional<DelayHistogram> chunk_delays; // live, at viewers: from a chunk's signature to its being verified here
};

}  // namespace runnel::swarm
