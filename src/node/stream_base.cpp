#include "node/stream_base.hpp"

namespace runnel::node {
namespace {

double milliseconds(base::Duration d) { return static_cast<double>(d.count()) / 1000; }

player::PeerStatus to_status(const swarm::PeerState& peer) {
  player::PeerStatus status;
  status.address = peer.endpoint.to_string();
  status.direction = peer.initiator ? "out" : "in";
  status.is_caster = peer.is_source;
  status.sealed = peer.sealed;
  status.down_bytes = peer.down_bytes;
  status.up_bytes = peer.up_bytes;
  status.down_rate = peer.down_rate;
  status.up_rate = peer.up_rate;
  status.rejected_chunks = peer.rejected;
  status.rtt_ms = milliseconds(peer.rtt);
  status.queue_delay_ms = milliseconds(peer.queue_delay);
  status.have_fraction = peer.have_fraction;
  status.choking_us = peer.choking_us;
  status.choked_by_us = peer.choked_by_us;
  return status;
}

}  // namespace

StreamBase::StreamBase(swarm::SwarmHandle handle, std::string role, swarm::Link link) : handle_(handle), role_(std::move(role)) {
  set_link(std::move(link));
}

void StreamBase::set_link(swarm::Link link) {
  link_ = std::move(link);
  id_ = base::to_hex(link_.id_bytes);
  title_ = link_.title;
  link_text_ = swarm::to_string(link_);
  swarm::Link open = link_;
  open.secret.clear();
  open_link_text_ = swarm::to_string(open);
}

void StreamBase::update(const swarm::SwarmState& state) { state_ = state; }

player::StreamStatus StreamBase::status() const {
  player::StreamStatus status;
  status.state = state_word();
  status.problem = problem_;
  status.down_bytes = state_.down_bytes;
  status.up_bytes = state_.up_bytes;
  status.verified = state_.verified;
  status.rejected = state_.rejected;
  status.wanted_chunks = state_.wanted_chunks;
  status.known_peers = state_.known_peers;
  for (const swarm::PeerState& peer : state_.peers) {
    status.down_rate += peer.down_rate;
    status.up_rate += peer.up_rate;
    if (peer.is_source) status.caster_bytes += peer.down_bytes;
    status.peers.push_back(to_status(peer));
  }
  status.trackers = trackers_;
  status.chunk_delays = state_.chunk_delays;
  status.push = state_.push;
  fill(status);
  return status;
}

}  // namespace runnel::node
