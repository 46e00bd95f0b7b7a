#include "node/node_impl.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "net/clock.hpp"
#include "net/interfaces.hpp"
#include "net/udp_socket.hpp"

namespace runnel::node {
namespace {

constexpr std::chrono::milliseconds kTick{250};              // snapshots of the engine for display
constexpr base::Duration kNobodyAnswers = std::chrono::seconds{8};
constexpr base::Duration kRememberPeersEach = std::chrono::seconds{15};

}  // namespace

// ---- opening --------------------------------------------------------------------------------------------------------

std::expected<void, std::string> NodeImpl::open() {
  auto socket = net::UdpSocket::open(config_.listen);
  if (!socket) return std::unexpected(message(socket.error()));
  loop_ = std::make_unique<net::EngineLoop>(
      std::move(*socket), net::EngineLoop::Seeds{secrets_.next(), crypto::os_random_seed(), crypto::os_random_seed()}, *this);

  if (config_.embedded_tracker) {
    tracker::TrackerServer::Config tracker;
    tracker.http = base::Endpoint{config_.listen.address, config_.tracker_port};
    tracker.rng_seed = secrets_.next();
    tracker.secret = crypto::os_random_seed();
    auto started = tracker::TrackerServer::start(service_, tracker);
    if (!started && config_.tracker_port != 0) {   // the remembered port is taken: any other will do
      tracker.http->port = 0;
      started = tracker::TrackerServer::start(service_, tracker);
    }
    if (!started) return std::unexpected(started.error());
    tracker_ = std::move(*started);
  }

  net::TrackerClient::Config announcer;
  base::Bytes name = base::to_bytes(base::as_bytes("-RN0001-"));
  while (name.size() < discovery::kIdSize) name.push_back(static_cast<std::byte>(secrets_.next()));
  announcer.peer_id = *discovery::PeerId::from(name);
  announcer.port = loop_->local().port;
  for (const base::Endpoint& own : net::reachable_endpoints(loop_->local())) announcer.own_addresses.push_back(own.address);
  announcer.rng_seed = secrets_.next();
  announcer.secret = crypto::os_random_seed();
  announcer_ = std::make_unique<net::TrackerClient>(service_, announcer);

  player::HttpServer::Config http;
  http.listen = config_.http;
  http.lan = config_.lan;
  http.lan_addresses = net::own_addresses();
  http.helper.program = config_.helper;
  http.start_ts = media::start_ts;
  http.start_demand = media::start_demand;
  auto server = player::HttpServer::start(service_, http, *this);
  if (!server) return std::unexpected(server.error());
  http_ = std::move(*server);

  loop_->start();
  loop_->post([this] { loop_->input(swarm::SetLimits{config_.max_upload, config_.max_download, config_.no_upload}); });
  tick();
  return {};
}

// ---- the engine's thread --------------------------------------------------------------------------------------------

bool NodeImpl::load(const swarm::LoadChunks& load, base::Bytes& buffer, std::vector<base::ByteView>& chunks, base::Time now) {
  const auto it = hosts_.find(load.swarm);
  return it != hosts_.end() && it->second->load(load.range, buffer, chunks, now);
}

void NodeImpl::store(const swarm::StoreChunks& store, base::Time now) {
  if (const auto it = hosts_.find(store.swarm); it != hosts_.end()) it->second->store(store.runs, now);
}

void NodeImpl::on_event(const swarm::Event& event, base::Time now) {
  const SwarmHandle handle = std::visit([](const auto& e) { return e.swarm; }, event);
  if (const auto* ban = std::get_if<swarm::PeerBanned>(&event))
    base::log_warn("swarm", "a peer sent false data and is banned: " + ban->peer.to_string());
  if (const auto it = hosts_.find(handle); it != hosts_.end()) it->second->on_event(event, now);
}

std::optional<base::Time> NodeImpl::on_idle(base::Time now) {
  std::optional<base::Time> next;
  for (const auto& [handle, host] : hosts_) {
    if (const auto due = host->on_idle(now)) next = std::min(next.value_or(*due), *due);
  }
  return next;
}

// From the engine's thread to the service thread.
void NodeImpl::on_engine_event(SwarmHandle handle, std::function<void(Entry&)> then) {
  to_service([this, handle, then = std::move(then)] {
    if (Entry* entry = entry_of(handle)) then(*entry);
  });
}

// ---- the service thread ---------------------------------------------------------------------------------------------

Entry* NodeImpl::entry_of(SwarmHandle handle) {
  const auto it = entries_.find(handle);
  return it == entries_.end() || stopping_ ? nullptr : &it->second;
}

void NodeImpl::film_complete(Entry& entry, base::Duration transfer) {
  entry.film->set_complete(transfer);
  entry.film->set_first_bytes_here();
  announcer_->completed(entry.info_hash);
  if (entry.complete_told || entry.hidden || entry.film->role() != "watch") return;
  entry.complete_told = true;
  events_.on_complete(*entry.stream);
}

void NodeImpl::tick() {
  timer_.expires_after(kTick);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopping_) return;
    loop_->post([this] {
      std::vector<std::pair<SwarmHandle, swarm::SwarmState>> states;
      for (const auto& [handle, host] : hosts_) {
        if (auto state = loop_->engine().state(handle, net::steady_now())) states.emplace_back(handle, std::move(*state));
      }
      to_service([this, states = std::move(states)] {
        for (const auto& [handle, state] : states) {
          if (Entry* entry = entry_of(handle)) entry->stream->update(state);
        }
      });
    });
    for (auto& [handle, entry] : entries_) look_after(entry);
    tick();
  });
}

void NodeImpl::look_after(Entry& entry) {
  if (entry.source) entry.source->on_tick();
  look_after_recording(entry);
  announcer_->set_stats(entry.info_hash, entry.stream->transfer_stats());
  tell_playable(entry);
  if (entry.live) tell_end(entry);
  if (net::steady_now() - entry.peers_remembered > kRememberPeersEach) remember_peers(entry);
  const bool has_all = entry.film ? entry.film->complete() : entry.live->timeline()->ended();
  const bool alone = entry.stream->role() == "watch" && entry.stream->swarm_state().peers.empty() && !has_all;
  if (alone && net::steady_now() - entry.added > kNobodyAnswers) {
    entry.stream->set_problem(entry.stream->swarm_state().known_peers == 0
                                  ? "nobody is known who has this: is the caster running, and does the link name a tracker or an address?"
                                  : "nobody answers: the caster may have stopped, or a firewall keeps UDP away");
  } else if (const auto place = entry.live != nullptr ? entry.live->place() : std::nullopt; place && !alone) {
    const std::string why =
        config_.no_upload ? "; who gives (without --no-upload) comes first" : "; it begins as soon as those who came before can give";
    entry.stream->set_problem("those who watch have no uplink to spare: number " + std::to_string(*place) + " of those who wait" + why);
  } else if (!alone && entry.stream->role() == "watch") {
    entry.stream->clear_problem();
  }
}

void NodeImpl::tell_playable(Entry& entry) {
  if (!entry.ready_told || entry.playable_told || !entry.stream->playable()) return;
  entry.playable_told = true;
  events_.on_playable(*entry.stream, http_->base_url() + "/streams/" + entry.stream->id() + "/" +
                                         (entry.live || entry.film->mime() != "application/octet-stream" ? "master.m3u8" : "media"));
}

// A viewer hears of it; a caster does from its source.
void NodeImpl::tell_end(Entry& entry) {
  if (!entry.live->timeline()->ended()) return entry.ended_at.reset();
  if (entry.ended_at) return;
  entry.ended_at = net::steady_now();
  if (!entry.source) events_.on_notice("the stream has ended; should its caster start again, it goes on here");
}

std::vector<player::Stream*> NodeImpl::list() {
  std::vector<player::Stream*> streams;
  for (auto& [handle, entry] : entries_) {
    if (!entry.hidden) streams.push_back(entry.stream.get());
  }
  return streams;
}

std::filesystem::path NodeImpl::stored_file(const player::Stream& stream) const {
  for (const auto& [handle, entry] : entries_) {
    if (entry.stream.get() == &stream) return entry.file;
  }
  return {};
}

player::Stream* NodeImpl::find(std::string_view id) {
  for (auto& [handle, entry] : entries_) {
    if (!entry.hidden && entry.stream->id() == id) return entry.stream.get();
  }
  return nullptr;
}

void NodeImpl::stop(std::function<void()> done) {
  if (stopping_) return;
  stopping_ = true;
  timer_.cancel();
  for (auto& [handle, entry] : entries_) {
    entry.ingest.reset();
    entry.transport.reset();
    entry.scan.reset();
    entry.sharing.reset();
    if (entry.source) entry.source->close();
    remember_peers(entry);
  }
  announcer_->stop([this, done = std::move(done)] {
    http_.reset();
    tracker_.reset();
    loop_->post([this] {
      for (const auto& [handle, host] : hosts_) loop_->input(swarm::RemoveSwarm{handle});
      for (const auto& [handle, host] : hosts_) host->close();
    });
    loop_->stop();
    done();
  });
}

std::expected<std::unique_ptr<Node>, std::string> Node::start(boost::asio::io_context& service, NodeConfig config, NodeEvents events) {
  auto node = std::make_unique<NodeImpl>(service, std::move(config), std::move(events));
  if (const auto opened = node->open(); !opened) return std::unexpected(opened.error());
  return node;
}

}  // namespace runnel::node
