// Whom we and they know: peer exchange (RFC 7574 3.10.1), in plain addresses at home and by certificates elsewhere (decision 20).
#include <algorithm>
#include <utility>

#include "core/discovery/certified_peers.hpp"
#include "core/discovery/pex.hpp"
#include "core/swarm/push.hpp"
#include "core/swarm/swarm.hpp"

namespace runnel::swarm {
namespace {

constexpr base::Duration kPexInterval = std::chrono::seconds{30};
constexpr base::Duration kPexPatience = std::chrono::seconds{10};        // answers later than that were not asked for
// To one peer, not more often: each walks the whole book; certificates are longer besides.
constexpr base::Duration kPexAnswers{200'000};
constexpr base::Duration kCertificateAnswers = std::chrono::seconds{1};
constexpr base::Duration kIntroductions{200'000};   // to one peer, not more often
constexpr std::size_t kMaxIntroducedCalls = 4;       // that nobody has answered yet
constexpr std::size_t kMaxCertificateTold = Outbox::kMaxDatagram - wire::kChannelSize - wire::kPexResCertHeaderSize;

}  // namespace

void Swarm::begin_certified(const SwarmParts& parts) {
  if (!metadata_.live || metadata_.compat() || (parts.certificate_issuer == nullptr && parts.certificate_checker == nullptr)) return;
  certified_ =
      std::make_unique<discovery::CertifiedPeers>(metadata_.id, parts.certificate_issuer, parts.certificate_checker, kMaxCertificateTold);
}

// ---- asking ---------------------------------------------------------------------------------------------------------

void Swarm::ask_for_peers(Context& context) {
  if (context.now < next_pex_ || source_) return;   // a source takes no strangers' word (RFC 7574 12.2.3)
  const bool checks = certified_ && certified_->checks() && certificate_clock(context);
  std::vector<Channel*> askable;
  for_established([&](Channel& channel) {
    const bool plain = discovery::plain_pex_allowed(channel.endpoint.address, metadata_.compat());
    if (plain || (checks && !channel.spoilt_certificates)) askable.push_back(&channel);
  });
  if (askable.empty()) return;
  next_pex_ = context.now + pex_interval_;
  pex_interval_ = std::min(2 * pex_interval_, kPexInterval);
  Channel& channel = *askable[rng_.below(askable.size())];
  channel.last_pex = context.now;
  channel.post(context.outbox, [](wire::Encoder& e) { return e.pex_req(); });
}

bool Swarm::asked_for_peers(const Context& context, const Channel& channel) const {
  return channel.last_pex != base::Time{} && context.now - channel.last_pex <= kPexPatience;
}

// An answer to INTRODUCE, the only one to this question.
bool Swarm::take_introduction(const Context& context, Channel& channel) {
  const auto asked = std::exchange(channel.asked_to_introduce, std::nullopt);
  return asked && context.now - *asked <= kPexPatience;
}

void Swarm::on_pex(Context& context, Channel& channel, const base::Endpoint& peer) {
  const bool introduced = take_introduction(context, channel);
  if (!introduced && !asked_for_peers(context, channel)) return;
  if (!discovery::plain_pex_allowed(channel.endpoint.address, metadata_.compat())) return;
  if (!discovery::may_believe(peer.address, channel.endpoint.address)) return;
  learn_of(context, peer, discovery::AddressSource::pex);
  if (introduced) call_introduced(context, peer);
}

void Swarm::learn_of(Context& context, const base::Endpoint& peer, discovery::AddressSource source) {
  if (book_.add(peer, source, context.now) == discovery::AddOutcome::added) next_peers_tick_ = next_tick_ = context.now;
}

void Swarm::call_introduced(Context& context, const base::Endpoint& peer) {
  const auto calling = std::ranges::count_if(channels_, [](const auto& c) { return c->introduced && c->state == Channel::State::calling; });
  if (static_cast<std::size_t>(calling) >= kMaxIntroducedCalls || channels_.size() >= kMaxChannels) return;
  if (!book_.is_candidate(peer, context.now) || std::ranges::any_of(channels_, [&](const auto& c) { return c->endpoint == peer; })) return;
  call(context, peer);
  channels_.back()->introduced = true;
  ++introduced_;
}

// An introduction that led to nothing; channels would grow without end by them.
bool Swarm::of_no_use(const Context& context, const Channel& channel) const {
  return channel.introduced && channels_.size() > kTargetPeers && context.now - channel.created > Introductions::kRemembered &&
         !push_->engaged(channel.local, context.now);
}

// What the source certified is believed wherever it is heard.
void Swarm::absorb_certificates(Context& context, Channel& channel) {
  if (certificates_.empty() || !certified_ || !certified_->checks()) return;
  const bool introduced = take_introduction(context, channel);
  if ((!introduced && !asked_for_peers(context, channel)) || channel.spoilt_certificates) return;
  const auto clock = certificate_clock(context);
  if (!clock) return;
  const auto judged = certified_->judge(certificates_, channel.endpoint.address, *clock);
  if (judged.verdict == discovery::CertifiedPeers::Verdict::bad) {
    channel.spoilt_certificates = true;   // the rest of its answer too (RFC 7574 12.2.2)
    bad_peer(context, channel);
  }
  for (const base::Endpoint& peer : judged.peers) learn_of(context, peer, discovery::AddressSource::certified);
  if (introduced && judged.peers.size() == 1) call_introduced(context, judged.peers[0]);
}

// Munros and certificates bear the same clock, the source's, and it was not behind the newest munro when that came. Ours may be wrong.
std::optional<discovery::CertificateClock> Swarm::certificate_clock(const Context& context) const {
  const auto ours = context.wall_now();
  const LiveContent* live = live_content();
  const SignedMunro* newest = source_ || live == nullptr || !newest_signed_ ? nullptr : live->newest_munro();
  if (newest == nullptr) return ours ? std::optional{discovery::CertificateClock{context.now, *ours, *ours}} : std::nullopt;
  const base::WallTime told = live->form().time_of(newest->timestamp) + (context.now - newest_signed_at_);
  return discovery::CertificateClock{context.now, told, std::max(told, ours.value_or(told))};
}

// ---- answering ------------------------------------------------------------------------------------------------------

void Swarm::on_pex_req(Context& context, Channel& channel) {
  const bool plain = discovery::plain_pex_allowed(channel.endpoint.address, metadata_.compat());
  if (channel.last_pex_answer && context.now - *channel.last_pex_answer < (plain ? kPexAnswers : kCertificateAnswers)) return;
  channel.last_pex_answer = context.now;
  tell_of(context, channel, book_.tell(channel.endpoint, context.now));
}

// Our children know our parents from their paths, by name.
void Swarm::introduce(Context& context, Channel& channel, NodeTag whom) {
  const auto parent = push_->trees().introduces(channel.local, whom, push_->hood());
  const Route route = parent ? context.channels.find(*parent) : Route{};
  if (route.swarm != this || route.channel->state != Channel::State::established) return;
  if (channel.last_introduction && context.now - *channel.last_introduction < kIntroductions) return;
  channel.last_introduction = context.now;
  tell_of(context, channel,
          discovery::choose_pex_peers({{route.channel->endpoint, route.channel->last_heard}}, channel.endpoint, context.now, rng_));
}

void Swarm::tell_of(Context& context, Channel& channel, std::span<const base::Endpoint> peers) {
  if (discovery::plain_pex_allowed(channel.endpoint.address, metadata_.compat())) {
    for (const base::Endpoint& peer : peers) channel.post(context.outbox, [&](wire::Encoder& e) { return e.pex_res(peer); });
    return;
  }
  const auto clock = certified_ ? certificate_clock(context) : std::nullopt;
  if (!clock) return;
  for (const base::Bytes& certificate : certified_->tell(peers, *clock))
    channel.post(context.outbox, [&](wire::Encoder& e) { return e.pex_res_cert(certificate); });
}

}  // namespace runnel::swarm
