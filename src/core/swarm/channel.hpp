// One peer of one swarm: who it is, what it holds, what we ask of it and what it asks of us.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "core/swarm/availability.hpp"
#include "core/swarm/chunk_signatures.hpp"
#include "core/swarm/download_queue.hpp"
#include "core/swarm/handshake.hpp"
#include "core/swarm/held_chunks.hpp"
#include "core/swarm/live_walk.hpp"
#include "core/swarm/outbox.hpp"
#include "core/swarm/picker.hpp"
#include "core/swarm/rate_meter.hpp"
#include "core/swarm/upload_queue.hpp"
#include "core/tree/hash_tree.hpp"
#include "core/wire/chunk_spec.hpp"
#include "core/wire/encoder.hpp"

namespace runnel::swarm {

// Dead when silent so long, and so many of our datagrams went unanswered (RFC 7574 3.12, 8.14).
constexpr base::Duration kDeadAfter = std::chrono::minutes{3};
constexpr std::uint32_t kDeadAfterDatagrams = 3;
// Who said nothing for so long, and to so many of our datagrams, may have come back to its place as somebody new: it is called again,
// and hears of what is new now and then only. A weak line is filled by what is told to those who left without a word.
constexpr base::Duration kSuspectAfter = std::chrono::seconds{2};
constexpr std::uint32_t kSuspectAfterDatagrams = 10;
constexpr base::Duration kNewsToSuspects = std::chrono::seconds{1};
constexpr base::Duration kKeepAlive =
    std::chrono::seconds{25};      // keeps NAT mappings open (RFC 4787 REQ-5: 2 min and more; many are shorter)
constexpr base::Duration kHandshakeRetry{300'000};                   // doubled each time
constexpr base::Duration kUploadsRest = std::chrono::seconds{20};
constexpr int kHandshakeTries = 6;                                   // about 19 s in all
constexpr int kFullHandshakeTries = 2;                               // then without options 8 and 9 (P1), and 4 where live (P9)
constexpr std::uint32_t kMaxStalls = 3;                              // time-outs in a row; then a peer is only asked now and then
constexpr base::Duration kHalfOpenLife = std::chrono::seconds{10};   // an answered handshake that was not completed

class Channel {
 public:
  enum class State : std::uint8_t {
    calling,       // our handshake is out
    answering,     // theirs came, ours went back; the address is not proved yet
    established,
  };

  Channel(wire::ChannelId local_id, const base::Endpoint& at, bool we_called, const wire::Format& wire_format, base::Time now)
      : local(local_id), endpoint(at), initiator(we_called), format(wire_format), created(now), last_heard(now), last_sent(now) {}

  // Appends one message to the datagram being gathered for this peer; `write(wire::Encoder&)` returns false when it does not fit. What
  // the swarm's addressing cannot say, and what the peer does not support, is left unsaid.
  template <class Write>
  void post(Outbox& outbox, Write write) {
    if (gathered_ == 0) begin(outbox);
    if (append(write)) return;
    flush(outbox);
    begin(outbox);
    if (!append(write)) discard(outbox);
  }
  // A message about each part of `range` that can be named: all of it, or with bins its subtrees (RFC 7574 4.2).
  template <class Write>
  void post_range(Outbox& outbox, tree::ChunkRange range, Write write) {
    while (true) {
      const tree::ChunkRange part = wire::expressible_front(range, format);
      post(outbox, [&](wire::Encoder& e) { return write(e, part); });
      if (part.last >= range.last) return;
      range.first = tree::ChunkIndex{part.last.value() + 1};
    }
  }
  // What it asks of us, from its first REQUEST on.
  UploadQueue& begin_uploads(std::uint32_t first_packets = Ledbat::kInitialPackets);
  // Who asked for nothing in this time is a stranger again to LEDBAT: most peers of a large swarm only keep alive, and cost little.
  void rest_uploads(base::Time now);
  // Sends what was gathered.
  void flush(Outbox& outbox);
  // Ends a datagram of this channel that was begun with Outbox::begin_datagram().
  void end_datagram(Outbox& outbox, std::size_t size) const { outbox.end_datagram(endpoint, size, sealing); }
  [[nodiscard]] bool has_gathered() const { return gathered_ != 0; }

  [[nodiscard]] bool suspect(base::Time now) const { return now - last_heard > kSuspectAfter && unanswered >= kSuspectAfterDatagrams; }
  [[nodiscard]] bool is_watcher() const { return state == State::established && !is_seed; }

  // ---- who ----
  wire::ChannelId local;
  wire::ChannelId remote;
  base::Endpoint endpoint;
  bool initiator;
  State state = State::calling;
  std::optional<Sealing> sealing;           // nullopt: in the clear
  Agreed agreed;
  wire::Format format;
  std::optional<std::uint64_t> node_id;     // from HELLO
  std::uint16_t watchers_there = 0;         // from HELLO: others that it knows
  std::optional<tree::ChunkIndex> beginning;   // from HELLO: where it says that a player may begin
  bool pushes = false;                      // from HELLO, and so do we: push.hpp
  bool heard_push = false;                  // it knows that we do
  bool told_haves = false;                  // what we held when we met
  bool missed_news = false;                 // while it was suspect
  int hellos_sent = 0;

  // ---- what it holds, what we believe of it ----
  Availability peer_has;
  tree::HashInbox inbox;
  ChunkSignatures signatures;               // live, where each chunk is signed
  std::uint64_t rejected = 0;
  ShownMark unasked_mark;                   // live: what of its chunks may be asked for,
  ShownMark missing_mark;                   // and what is still to come
  std::uint64_t news = 0;                   // live: munros that it was the first to show
  bool is_seed = false;
  bool named = false;                       // in the link or by the user: the caster, most likely
  bool seed_from_start = false;             // it had everything when we met
  bool signed_edge_due = false;             // live: it has not shown the newest munro yet (RFC 7574 6.1.2.4)

  // ---- down ----
  DownloadQueue downloads;
  bool choking_us = false;
  PickCursor cursor;
  RateMeter down;
  std::uint32_t stalls = 0;                 // time-outs in a row
  std::uint32_t unproved = 0;               // chunks in a row that came without hashes and found no room to wait for them
  std::vector<tree::ChunkIndex> to_ack;     // since the last flush
  HeldChunks held;                          // came before their hashes
  std::uint64_t ack_delay = 0;              // newest sample, receiver clock minus sender clock

  // ---- up ----
  std::unique_ptr<UploadQueue> uploads;     // nullptr: it asks for nothing
  bool choked_by_us = false;
  base::Time last_request{};
  RateMeter up;
  bool peaks_sent = false;
  struct HashList {                         // a block whose leaf hashes were sent ahead of its chunks
    std::uint64_t block = 0;
    std::uint64_t sent = 0;                 // bit per chunk
  };
  static constexpr std::size_t kMaxHashLists = 64;
  std::vector<HashList> hash_lists;

  // ---- time ----
  base::Time created;
  base::Time last_heard;
  base::Time next_note{};       // in the address book, that it was heard
  base::Time last_sent;
  base::Time next_handshake{};
  int handshakes_sent = 0;
  std::uint32_t unanswered = 0;             // datagrams sent since we last heard
  base::Time last_pex{};
  std::optional<base::Time> last_pex_answer;
  std::optional<base::Time> asked_to_introduce;      // us to another: the next address that it tells is called
  std::optional<base::Time> last_introduction;       // it to another, by us
  bool introduced = false;                  // called since another told us of it by name
  bool spoilt_certificates = false;         // it gave us a bad one: none of its others is looked at

 private:
  static std::uint32_t packet_size(const wire::Format& format);
  void begin(Outbox& outbox) {
    room_ = outbox.borrow_room();
    gathered_ = wire::kChannelSize;
  }
  void discard(Outbox& outbox) {
    outbox.give_back(std::exchange(room_, {}));
    gathered_ = 0;
  }
  template <class Write>
  bool append(Write& write) {
    wire::Encoder encoder{base::MutableByteView{room_}.subspan(gathered_), format};
    encoder.only(agreed.peer_messages);
    if (!write(encoder)) return false;
    gathered_ += encoder.size();
    return true;
  }

  base::Bytes room_;           // borrowed while something is gathered
  std::size_t gathered_ = 0;   // bytes of it in use; 0: nothing gathered
};

}  // namespace runnel::swarm
