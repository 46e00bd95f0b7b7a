// One swarm: its content, its peers, and what they say to each other. The engine routes, this decides.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/rng.hpp"
#include "core/discovery/address_book.hpp"
#include "core/swarm/channel.hpp"
#include "core/swarm/channel_table.hpp"
#include "core/swarm/choker.hpp"
#include "core/swarm/content.hpp"
#include "core/swarm/delay_histogram.hpp"
#include "core/swarm/extensions.hpp"
#include "core/swarm/fresh_chunks.hpp"
#include "core/swarm/io.hpp"
#include "core/swarm/outbox.hpp"
#include "core/swarm/picker.hpp"
#include "core/swarm/pull_budget.hpp"
#include "core/swarm/sealed_places.hpp"
#include "core/swarm/shown_early.hpp"
#include "core/swarm/store_batch.hpp"
#include "core/swarm/token_bucket.hpp"
#include "core/wire/decoder.hpp"

namespace runnel::discovery {
class CertifiedPeers;
struct CertificateClock;
}  // namespace runnel::discovery

namespace runnel::swarm {

// What an engine's swarms share, and the time at hand.
struct Context {
  Outbox& outbox;
  ChannelTable& channels;
  LoadTable& loads;
  TokenBucket& upload;
  TokenBucket& download;
  SealedPlaces& sealed_places;
  bool no_upload = false;
  base::Time now;
  base::Time arrived;                   // when the datagram that is being handled came: what is timed by it counts from then
  std::optional<base::WallTime> wall;   // nullopt until someone told it
  base::Time wall_told;                 // when

  // The world's time at `now`.
  [[nodiscard]] std::optional<base::WallTime> wall_now() const { return wall ? std::optional{*wall + (now - wall_told)} : std::nullopt; }
};

constexpr std::size_t kMaxChannels = 1024;         // of one swarm
constexpr std::size_t kMaxIncoming = 768;          // so that some are left for our own calls (RFC 7574 12.6.1)
constexpr std::size_t kMaxHalfOpen = 64;           // answered and not proved yet (RFC 7574 12.1.2)
constexpr std::size_t kMaxTrusted = 64;            // addresses called again and again
constexpr std::size_t kTargetPeers = 40;           // we call others until we have so many

class Push;

class Swarm {
 public:
  Swarm(AddSwarm add, base::Rng rng, Context& context);
  ~Swarm();
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;

  [[nodiscard]] SwarmHandle handle() const { return handle_; }
  [[nodiscard]] const Metadata& metadata() const { return metadata_; }

  // A handshake for this swarm that came to channel 0. It is handed over sealed only if it was so by this swarm's key.
  void on_call(Context& context, const DatagramIn& datagram, const wire::Handshake& handshake);
  void on_call_failed(Context& context, Channel& channel, CallFailed::Why why);
  void on_datagram(Context& context, Channel& channel, base::ByteView messages);
  // After all datagrams of one input: what came is stored, acknowledgements and requests go out. With `more`, others follow at once,
  // and what can wait for them may.
  void finish_input(Context& context, bool more);
  // No chunks: they were not to be had.
  void on_loaded(Context& context, const LoadTable::Load& load, std::span<const base::ByteView> chunks);

  void add_peers(Context& context, const AddPeers& add);
  void want(Context& context, const Want& want);
  void unwant(std::uint64_t token) { wants_.remove(token); }
  void publish(Context& context, const Publish& publish);
  // The player has seen where it begins.
  void follow_from(Context& context, tree::ChunkIndex first);
  void new_beginning(tree::ChunkIndex first) { previous_beginning_ = std::exchange(beginning_, first); }
  void want_no_more(Context& context, tree::ChunkRange past);
  void forget(tree::ChunkRange range);
  // Closes every channel with a word to its peer.
  void close(Context& context);

  void on_tick(Context& context);
  [[nodiscard]] base::Time next_tick() const;
  [[nodiscard]] SwarmState state(base::Time now) const;
  // Live: what lies before it is here, or nobody who gives what he shows has it.
  [[nodiscard]] std::optional<tree::ChunkIndex> first_missing() const;
  [[nodiscard]] std::optional<base::WallTime> signed_at(tree::ChunkIndex index) const;

 private:
  // ---- swarm_peers.cpp: who is here ----
  void call(Context& context, const base::Endpoint& endpoint);
  void send_call(Context& context, Channel& channel);
  void send_answer(Context& context, Channel& channel, const wire::Options& theirs, const DatagramIn& call);
  void on_handshake(Context& context, Channel& channel, const wire::Handshake& handshake);
  void established(Context& context, Channel& channel);
  void on_extension(Context& context, Channel& channel, const wire::Extension& extension);
  void say_hello(Context& context, Channel& channel);
  void send_haves(Context& context, Channel& channel);
  void send_edge(Context& context, Channel& channel);
  void drop(Context& context, Channel& channel, bool say_so);
  void drop_marked(Context& context);
  void tick_peers(Context& context);
  void call_trusted_again(Context& context);
  [[nodiscard]] Channel* find_at(const base::Endpoint& endpoint, Channel::State state) const;

  // ---- swarm_pex.cpp: whom we and they know ----
  void begin_certified(const SwarmParts& parts);
  void ask_for_peers(Context& context);
  void on_pex_req(Context& context, Channel& channel);
  void introduce(Context& context, Channel& channel, NodeTag whom);
  void tell_of(Context& context, Channel& channel, std::span<const base::Endpoint> peers);
  void on_pex(Context& context, Channel& channel, const base::Endpoint& peer);
  void absorb_certificates(Context& context, Channel& channel);
  void learn_of(Context& context, const base::Endpoint& peer, discovery::AddressSource source);
  [[nodiscard]] static bool take_introduction(const Context& context, Channel& channel);
  void call_introduced(Context& context, const base::Endpoint& peer);
  [[nodiscard]] bool of_no_use(const Context& context, const Channel& channel) const;
  [[nodiscard]] bool asked_for_peers(const Context& context, const Channel& channel) const;
  [[nodiscard]] std::optional<discovery::CertificateClock> certificate_clock(const Context& context) const;

  // ---- swarm_receive.cpp: what they say ----
  void on_message(Context& context, Channel& channel, const wire::Message& message);
  void on_have(Context& context, Channel& channel, tree::ChunkRange range);
  // It holds these, whichever way it said so.
  void hear_shown(Context& context, Channel& channel, tree::ChunkRange range);
  void on_data(Context& context, Channel& channel, const wire::Data& data);
  // `ack`: it was asked for, or its sender knows nothing of push.
  void on_verified(Context& context, Channel& channel, tree::ChunkIndex index, base::ByteView payload, bool ack);
  void measure_delay(const Context& context, tree::ChunkIndex index);
  void on_mismatch(Context& context, Channel& channel, tree::ChunkIndex index);
  void judge_held(Context& context);
  void judge_held(Context& context, Channel& channel, HeldChunks::Held held);
  void tick_held(Context& context);
  [[nodiscard]] std::uint64_t proof_group() const { return metadata_.live ? metadata_.munro_width : kBlockChunks; }
  void on_ack(Context& context, Channel& channel, const wire::Ack& ack);
  void on_request(Context& context, Channel& channel, tree::ChunkRange range);
  void on_choke(Context& context, Channel& channel);
  // Whether the chunk is what the source signed, or is under the root.
  [[nodiscard]] tree::LeafCheck judge(Context& context, Channel& channel, tree::ChunkIndex index, base::ByteView payload);
  void on_signed(Context& context, Channel& channel, const wire::SignedIntegrity& message);
  void bad_peer(Context& context, Channel& channel);
  void absorb_hashes(Context& context, Channel& channel);
  void flush_stores(Context& context);
  void flush_acks(Context& context, Channel& channel);
  void announce(Context& context);
  [[nodiscard]] bool hears_at_once(const Context& context, const Channel& channel) const;

  // ---- swarm_fetch.cpp: what we ask ----
  void fill(Context& context, Channel& channel);
  void fill_all(Context& context);
  void ask_live(Context& context);
  // Seconds until it would have sent of this what it holds; `run` touches that.
  [[nodiscard]] double live_wait(const Channel& channel, tree::ChunkRange run) const;
  [[nodiscard]] bool may_ask(const Channel& channel, base::Time now) const;
  [[nodiscard]] std::optional<tree::ChunkRange> pick(Context& context, Channel& channel);
  [[nodiscard]] bool named_seed_here() const;
  [[nodiscard]] bool to_spare(const Channel& channel) const { return channel.is_seed && (channel.named || !named_seed_here()); }
  [[nodiscard]] bool others_give(base::Time now) const;
  [[nodiscard]] bool soon_done(base::Time now) const;
  [[nodiscard]] bool should_meet_others(const Channel& channel, base::Time now) const;
  void count_elsewhere(base::Time now);
  void request(Context& context, Channel& channel, tree::ChunkRange range);
  void cancel(Context& context, Channel& channel, tree::ChunkRange range);
  void say_have(Context& context, Channel& channel, tree::ChunkRange range);
  void on_unproved(Context& context, Channel& channel);
  void give_back(std::span<const tree::ChunkRange> ranges);
  void free_again(tree::ChunkIndex index) { give_back(std::array{tree::ChunkRange{index, index}}); }
  void tick_downloads(Context& context);
  void take_over(Context& context);
  void hurry(Context& context);
  // Chunks that may be waited for from it.
  [[nodiscard]] std::uint64_t most_asked(const Channel& channel, base::Time now) const;
  [[nodiscard]] std::uint64_t request_window(const Channel& channel, base::Time now) const;
  void size_known(Context& context);
  void check_progress(Context& context);
  [[nodiscard]] tree::ChunkIndex shown_by_all();
  void tune_in(Context& context, tree::ChunkIndex at);
  [[nodiscard]] tree::ChunkIndex beginning_before(tree::ChunkIndex edge) const;
  void hear_beginning(Context& context, Channel& channel, tree::ChunkIndex beginning);
  void follow(Context& context, tree::ChunkIndex first);
  // Live: what a neighbour's word is worth, and what the source's is.
  [[nodiscard]] tree::ChunkIndex claims_end(const Context& context) const;
  void hear_claims(Context& context, Channel& channel, std::span<const tree::ChunkRange> claims);
  void hear_claim(Context& context, Channel& channel, tree::ChunkRange claim);
  void hear_later_claims(Context& context);
  [[nodiscard]] bool stale_edge(const Context& context) const;
  void see_signed(Context& context, Channel& channel, tree::ChunkRange range);
  void move_edge(Channel& channel, tree::ChunkIndex last);
  void want_shown(Context& context, tree::ChunkRange range, bool believed);

  // ---- swarm_serve.cpp: what we give ----
  void pump(Context& context, Channel& channel);
  [[nodiscard]] std::uint32_t first_window() const;   // packets
  void send_hash_list(Context& context, Channel& channel, tree::Bin block);
  void send_hashes(Context& context, Channel& channel, std::span<const tree::NodeHash> hashes);
  void send_chunk(Context& context, Channel& channel, tree::ChunkIndex index, base::ByteView payload);
  // Appended to `hashes`. False: one is missing here.
  [[nodiscard]] bool proof(Channel& channel, tree::ChunkIndex index, bool again, std::vector<tree::NodeHash>& hashes);
  void tick_uploads(Context& context);
  void judge_chokes(Context& context);

  // ---- swarm_push.cpp: what is pushed ----
  void start_push(Context& context);
  void meet_pusher(Context& context, Channel& channel, const Hello& hello);
  void meet_again(Context& context, Channel& channel);
  void on_push_message(Context& context, Channel& channel, const wire::Extension& extension);
  void on_busy(Context& context, Channel& channel, const MunroMap& map);
  void hear_shown(Context& context, Channel& channel, const MunroMap& news);
  void on_bundle(Context& context, Channel& channel, const Bundle& bundle);
  void tell_pull(Context& context, tree::ChunkRange munro);
  void on_pushed_data(Context& context, Channel& channel, const wire::Data& data, bool answer);
  // Messages and chunks whose time has come; channels that got a message are touched.
  void pump_push(Context& context);
  void pump_others(Context& context);
  void send_bundle(Context& context, Channel& channel, std::uint64_t munro);
  void send_pushed(Context& context, Channel& channel, tree::ChunkIndex index, base::ByteView payload);
  void tick_push(Context& context);

  [[nodiscard]] StaticContent* static_content() const { return metadata_.live ? nullptr : static_cast<StaticContent*>(content_.get()); }
  [[nodiscard]] LiveContent* live_content() const { return metadata_.live ? static_cast<LiveContent*>(content_.get()) : nullptr; }
  template <class Fn>
  void for_established(Fn fn) {
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      if (channels_[i]->state == Channel::State::established) fn(*channels_[i]);
    }
  }
  [[nodiscard]] std::optional<Sealing> sealing_of(wire::ChannelId local, bool sealed) const {
    return sealed ? std::optional{Sealing{handle_, local}} : std::nullopt;
  }
  void touch(Channel& channel);

  SwarmHandle handle_;
  Metadata metadata_;
  bool fetch_all_;
  SealPolicy sealing_;
  bool source_ = false;                        // live, and we sign
  std::unique_ptr<Content> content_;
  wire::Format format_;
  base::Rng rng_;
  discovery::AddressBook book_;
  std::uint64_t node_id_;                      // scoped to the swarm: tells a peer that we meet twice
  std::vector<std::unique_ptr<Channel>> channels_;
  std::vector<wire::ChannelId> marked_;        // to be dropped when no loop runs over them
  std::vector<Channel*> touched_;              // by the input at hand
  std::vector<Channel*> order_;                // scratch: of fill_all()

  // fetching
  tree::IntervalSet requested_;
  Wants wants_;
  std::optional<StaticPicker> picker_;
  tree::IntervalSet elsewhere_;                // static: what peers that are not seeds hold together
  base::Time next_count_{};
  LivePicker live_picker_;
  std::optional<tree::ChunkIndex> follow_;     // live: from here on everything is wanted
  bool follow_by_word_ = false;                // the source has signed nothing yet that we know of: neighbours said so
  std::optional<tree::ChunkIndex> tuned_in_at_;   // live: the edge that we met, until the player has seen where it begins
  std::optional<tree::ChunkIndex> beginning_;  // live: of the newest record that a player may begin with
  std::optional<tree::ChunkIndex> previous_beginning_;   // and of the one before
  std::optional<tree::ChunkIndex> edge_;       // live: newest index that a neighbour shows
  std::optional<tree::ChunkIndex> newest_signed_;
  base::Time newest_signed_at_{};              // when we learned of it
  base::Time trusted_called_{};                // once more, since there was none
  std::optional<tree::ChunkIndex> heard_until_;   // claims are taken in up to here; once something was signed
  tree::ChunkIndex walk_from_{0};              // where a walk that was long enough goes on
  base::Time next_ask_{};                      // live, without push: not before
  base::Time next_old_{};                      // live, beside push: holes that a player has passed
  base::Time first_shown_{};                   // when the first was
  std::unique_ptr<Push> push_;                 // live, where push works
  PullBudget pull_budget_;                     // beside it
  bool size_told_ = false;
  bool complete_told_ = false;

  // receiving
  std::vector<tree::NodeHash> offered_;        // INTEGRITY messages that stand together
  std::vector<tree::NodeHash> hashes_;         // scratch: those that are about to be sent
  StoreBatch stores_;                          // verified by the input at hand
  ShownEarly shown_early_;
  std::vector<tree::ChunkIndex> proved_;       // chunks whose neighbours' hashes may have become known by it
  bool any_held_ = false;                      // some channel may hold chunks that wait for their hashes
  FreshChunks fresh_;                          // not announced yet
  std::vector<tree::ChunkRange> news_;         // scratch: of announce() and hear_shown()
  base::Time last_announce_{};
  std::optional<base::WallTime> began_;        // live: when the first chunk came
  DelayHistogram chunk_delays_;                // of chunks signed since, from then to now, by the world's clock

  Choker choker_;
  base::Time next_choke_round_{};
  base::Time next_tick_{};
  base::Time next_peers_tick_{};
  std::vector<base::Endpoint> trusted_;        // from the link or the user, at most kMaxTrusted
  std::unique_ptr<discovery::CertifiedPeers> certified_;   // live, but in the older peers' form
  std::vector<base::ByteView> certificates_;   // PEX_REScert messages of the datagram at hand
  base::Time next_pex_{};
  std::uint64_t introduced_ = 0;               // called since another told us of them by name
  base::Duration pex_interval_{200'000};       // doubled each time up to half a minute: who starts together meets at once

  std::uint64_t down_bytes_ = 0, up_bytes_ = 0, verified_ = 0, rejected_ = 0, duplicates_ = 0;
};

}  // namespace runnel::swarm
