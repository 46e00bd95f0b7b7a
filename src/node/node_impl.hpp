// The node's insides: what node.cpp (threads, wiring, ends) and node_streams.cpp (casting, watching) share.
#pragma once
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <unordered_map>

#include "core/discovery/types.hpp"
#include "crypto/secret_rng.hpp"
#include "net/engine_loop.hpp"
#include "net/resolver.hpp"
#include "net/tracker_client.hpp"
#include "node/anchors.hpp"
#include "node/live_source.hpp"
#include "node/node.hpp"
#include "node/recording_share.hpp"
#include "node/static_stream.hpp"
#include "node/transport_viewer.hpp"
#include "player/http_server.hpp"
#include "tracker/tracker_server.hpp"

namespace runnel::node {

using swarm::SwarmHandle;

// Everything of one stream that must go together.
struct Entry {
  std::unique_ptr<StreamBase> stream;
  StaticStream* film = nullptr;
  LiveStream* live = nullptr;
  std::unique_ptr<LiveSource> source;
  std::unique_ptr<media::IngestSession> ingest;
  std::unique_ptr<TransportViewer> transport;   // of a viewer, where the swarm carries no records
  std::unique_ptr<media::ScanSession> scan;
  std::optional<Watch> watched;                 // what a viewer asked for
  std::unique_ptr<RecordingShare> sharing;      // of a cast that has ended, while its recording is hashed
  std::vector<media::RecordedFile> recorded;    // of a cast, and shared
  std::size_t recordings_due = 0;               // of a cast: hashed, but their seek index is still to come
  std::function<void(Entry&)> when_ready;       // instead of telling the user
  std::optional<base::Time> ended_at;           // of a live stream, while it is over
  discovery::InfoHash info_hash{};
  std::filesystem::path file;  // of a film
  std::map<std::string, std::string> tracker_lines;
  base::Time added{};
  base::Time peers_remembered{};
  bool hidden = false;         // the seek index of a film is no stream of its own
  bool ready_told = false;
  bool playable_told = false;
  bool complete_told = false;
  bool recording_told = false;
};

class NodeImpl final : public Node, public player::Streams, public net::EngineClient {
 public:
  NodeImpl(boost::asio::io_context& service, NodeConfig config, NodeEvents events)
      : service_(service),
        config_(std::move(config)),
        events_(std::move(events)),
        anchors_(config_.cache_folder / "anchors"),
        secrets_(crypto::os_random_seed()),
        resolver_(service),
        timer_(service) {}

  std::expected<void, std::string> open();

  // ---- Node ----
  std::expected<player::Stream*, std::string> cast(const CastFile& cast) override;
  std::expected<player::Stream*, std::string> cast(const CastLive& cast) override;
  std::expected<player::Stream*, std::string> watch(const Watch& watch) override;
  std::filesystem::path stored_file(const player::Stream& stream) const override;
  base::Endpoint listen() const override { return loop_->local(); }
  std::string http_url() const override { return http_->base_url(); }
  std::string lan_url() const override { return http_->lan_url(); }
  void stop(std::function<void()> done) override;

  // ---- player::Streams ----
  std::vector<player::Stream*> list() override;
  player::Stream* find(std::string_view id) override;
  std::string version() const override { return RUNNEL_VERSION; }

 private:
  // ---- net::EngineClient, on the engine's thread ----
  bool load(const swarm::LoadChunks& load, base::Bytes& buffer, std::vector<base::ByteView>& chunks, base::Time now) override;
  void store(const swarm::StoreChunks& store, base::Time now) override;
  void on_event(const swarm::Event& event, base::Time now) override;
  std::optional<base::Time> on_idle(base::Time now) override;

  struct Film {
    std::unique_ptr<store::StaticStore> store;
    std::unique_ptr<crypto::Hasher> hasher;
    swarm::Metadata metadata;
    swarm::Link link;
    std::string role;
    std::string file_name;
    bool hidden = false;
  };
  // A file that is shared: its swarm and its link, as far as the bytes tell.
  static Film seeded(std::unique_ptr<store::StaticStore> store, std::unique_ptr<crypto::Hasher> hasher, std::string file_name);
  Entry& add_film(Film film);
  Entry& add_live(std::string role, swarm::Link link, base::Bytes wire_id, crypto::Signer* signer);
  void add_host(SwarmHandle handle, std::unique_ptr<SwarmHost> host, swarm::AddSwarm add, const base::Bytes& secret);
  void announce(Entry& entry, base::ByteView wire_id);
  void dial(SwarmHandle handle, const swarm::LinkPeer& peer);
  void call_anchors(const Entry& entry);
  void remember_peers(Entry& entry);
  swarm::Link complete_link(swarm::Link link) const;
  void scanned(SwarmHandle handle, std::expected<media::ScanResult, std::string> result);
  std::expected<void, std::string> share_index(Entry& film, const base::Bytes& index);
  std::expected<void, std::string> fetch_index(Entry& film, const swarm::LinkIndex& index);
  void on_engine_event(SwarmHandle handle, std::function<void(Entry&)> then);
  void film_complete(Entry& entry, base::Duration transfer);
  void become_ready(Entry& entry);
  void tick();
  void look_after(Entry& entry);
  void tell_playable(Entry& entry);
  void tell_end(Entry& entry);
  void remember_ports(Entry& entry);
  std::unique_ptr<LiveSource> make_source(Entry& entry, ChannelKey key, bool compat);
  std::expected<Entry*, std::string> watch_live(const Watch& watch);
  // ---- node_recording.cpp ----
  std::expected<void, std::string> begin_recording(Entry& entry, const CastLive& cast);
  void share_recording(Entry& entry);
  void look_after_recording(Entry& entry);
  void share_recorded_file(SwarmHandle of, RecordingShare::Shared shared);
  void open_recording(Entry& entry);
  Entry* entry_of(SwarmHandle handle);
  template <class Task>
  void to_service(Task task) {
    boost::asio::post(service_, std::move(task));
  }

  boost::asio::io_context& service_;
  NodeConfig config_;
  NodeEvents events_;
  Anchors anchors_;
  crypto::SecretRng secrets_;
  net::Resolver resolver_;
  boost::asio::steady_timer timer_;
  std::map<SwarmHandle, Entry> entries_;
  std::uint32_t next_handle_ = 1;
  std::map<SwarmHandle, LiveHost*> live_hosts_;   // to be reached by posting
  bool stopping_ = false;

  std::unordered_map<SwarmHandle, std::unique_ptr<SwarmHost>> hosts_;   // the engine's thread
  std::unique_ptr<net::EngineLoop> loop_;
  std::unique_ptr<tracker::TrackerServer> tracker_;
  std::unique_ptr<net::TrackerClient> announcer_;
  std::unique_ptr<player::HttpServer> http_;
};

}  // namespace runnel::node
