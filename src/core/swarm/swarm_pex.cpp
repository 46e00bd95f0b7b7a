// Whom we and they know: peer exchange (RFC 7574 3.10.1, decision 20).
#include <algorithm>

#include "core/discovery/pex.hpp"
#include "core/swarm/swarm.hpp"

namespace runnel::swarm {
namespace {

constexpr base::Duration kPexInterval = std::chrono::seconds{30};
constexpr base::Duration kPexPatience = std::chrono::seconds{10};   // answers later than that were not asked for
constexpr base::Duration kPexAnswers{200'000};                      // to one peer, not more often: each walks the whole book

}  // namespace

void Swarm::on_pex(Context& context, Channel& channel, const base::Endpoint& peer) {
  if (channel.last_pex == base::Time{} || context.now - channel.last_pex > kPexPatience) return;
  if (!discovery::plain_pex_allowed(channel.endpoint.address, metadata_.compat())) return;
  if (!discovery::may_believe(peer.address, channel.endpoint.address)) return;
  if (book_.add(peer, discovery::AddressSource::pex, context.now) == discovery::AddOutcome::added)
    next_peers_tick_ = next_tick_ = context.now;
}

void Swarm::ask_for_peers(Context& context) {
  if (context.now < next_pex_ || source_) return;   // a source takes no strangers' word (RFC 7574 12.2.3)
  std::vector<Channel*> askable;
  for_established([&](Channel& channel) {
    if (discovery::plain_pex_allowed(channel.endpoint.address, metadata_.compat())) askable.push_back(&channel);
  });
  if (askable.empty()) return;
  next_pex_ = context.now + pex_interval_;
  pex_interval_ = std::min(2 * pex_interval_, kPexInterval);
  Channel& channel = *askable[rng_.below(askable.size())];
  channel.last_pex = context.now;
  channel.post(context.outbox, [](wire::Encoder& e) { return e.pex_req(); });
}

void Swarm::on_pex_req(Context& context, Channel& channel) {
  if (!discovery::plain_pex_allowed(channel.endpoint.address, metadata_.compat())) return;
  if (channel.last_pex_answer && context.now - *channel.last_pex_answer < kPexAnswers) return;
  channel.last_pex_answer = context.now;
  for (const base::Endpoint& peer : book_.tell(channel.endpoint, context.now)) {
    channel.post(context.outbox, [&](wire::Encoder& e) { return e.pex_res(peer); });
  }
}

}  // namespace runnel::swarm
