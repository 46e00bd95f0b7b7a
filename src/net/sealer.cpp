#include "net/sealer.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace runnel::net {
namespace {

constexpr base::Duration kRetry{100'000};   // of a call that found no room for a handshake

bool is_hello(base::ByteView datagram) { return DtlsHandshake::is_first_datagram(datagram); }

wire::ChannelId channel_of(base::ByteView datagram) { return wire::ChannelId{base::load_big_endian<std::uint32_t>(datagram.data())}; }

// The sender's channel in a datagram that begins with a HANDSHAKE (RFC 7574 8.4); nullopt: it does not.
std::optional<wire::ChannelId> source_of(base::ByteView datagram) {
  base::Reader reader{datagram.subspan(wire::kChannelSize)};
  const auto type = reader.read<std::uint8_t>();
  const auto source = reader.read<std::uint32_t>();
  if (!type || *type != static_cast<std::uint8_t>(wire::MessageType::handshake) || !source || *source == 0) return std::nullopt;
  return wire::ChannelId{*source};
}

// Who has one address of an IPv6 network has 2^64 of them.
base::IpAddress host_of(const base::Endpoint& at) {
  if (at.address.is_v4()) return at.address;
  auto octets = at.address.v6_octets();
  std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
  return base::IpAddress::v6(octets);
}

}  // namespace

Sealer::Sealer(base::ByteView secret)
    : dtls_(secret,
            [this](std::string_view identity) {
              const auto it = by_identity_.find(identity);
              return it == by_identity_.end() ? nullptr : &keys_.at(it->second);
            }),
      listener_(DtlsHandshake::answer(dtls_)) {}

void Sealer::add_swarm(swarm::SwarmHandle swarm, const swarm::SealingKey& key) {
  keys_.insert_or_assign(swarm, key);
  by_identity_.insert_or_assign(key.identity, swarm);
}

void Sealer::remove_swarm(swarm::SwarmHandle swarm) {
  const auto it = keys_.find(swarm);
  if (it == keys_.end()) return;
  by_identity_.erase(it->second.identity);
  keys_.erase(it);
  std::erase_if(sessions_, [&](const auto& entry) { return entry.second.swarm == swarm; });
  std::erase_if(calls_, [&](const auto& entry) { return entry.second.swarm == swarm; });
  std::erase_if(channels_, [&](const auto& entry) { return entry.second.swarm == swarm; });
}

// ---- in -------------------------------------------------------------------------------------------------------------

void Sealer::receive(std::span<const ReceivedDatagrams> trains, base::Time now) {
  received_.clear();
  inner_.clear();
  for (const ReceivedDatagrams& train : trains) {
    waited_ = train.waited;
    for (std::size_t i = 0; i < train.count(); ++i) on_datagram(train.peer, train.datagram(i), now);
  }
}

void Sealer::on_datagram(const base::Endpoint& from, base::MutableByteView datagram, base::Time now) {
  if (datagram.size() < wire::kChannelSize) return;
  if (is_dtls(datagram[0])) {
    on_dtls(from, datagram, now);
    return;
  }
  const wire::ChannelId local = channel_of(datagram);
  if (const auto it = channels_.find(local); it != channels_.end())
    on_sealed(from, local, it->second, datagram, now);
  else
    received_.push_back({from, datagram, std::nullopt, waited_});
}

void Sealer::on_sealed(const base::Endpoint& from, wire::ChannelId local, Channel& channel, base::MutableByteView datagram,
                       base::Time now) {
  const auto opened = channel.peer == from && channel.receiver ? channel.receiver->open(datagram) : std::nullopt;
  if (!opened) {
    ++stats_.rejected;
    return;
  }
  if (!channel.met) {   // it has our answer
    channel.met = true;
    resolved(from, local, now);
  }
  received_.push_back({from, *opened, channel.swarm, waited_});
}

// ---- handshakes -----------------------------------------------------------------------------------------------------

void Sealer::on_dtls(const base::Endpoint& from, base::ByteView datagram, base::Time now) {
  const auto session = sessions_.find(from);
  if (session == sessions_.end()) {
    if (is_hello(datagram)) on_hello(from, datagram, now);
    return;
  }
  DtlsHandshake& dtls = *session->second.dtls;
  if (is_hello(datagram)) {
    if (!dtls.is_repeated(datagram)) {
      // They call as well: the two sides agree on whose call it is. Or they have begun anew, and forgotten what was.
      if (!session->second.calls || session->second.secrets || dtls.yields_to(datagram)) on_hello(from, datagram, now);
      return;
    }
    if (session->second.calls) {   // our own came back to us: that address is ours
      for (auto& [local, call] : calls_) {
        if (call.to == from) tell(local, call, swarm::CallFailed::Why::ourselves);
      }
      return;
    }
  }
  if (dtls.receive(datagram)) session->second.heard = true;
  on_progress(session, now);
}

void Sealer::on_hello(const base::Endpoint& from, base::ByteView datagram, base::Time now) {
  if (!listener_->listen(from, datagram, now)) {
    base::Bytes cookie = listener_->take_output();
    if (!cookie.empty() && cookie.size() <= datagram.size()) flights_.push_back({from, std::move(cookie)});
    return;
  }
  if (!may_begin(from, now)) {
    ++stats_.refused;
    return;
  }
  Session session;
  session.dtls = std::exchange(listener_, DtlsHandshake::answer(dtls_));
  session.heard = true;
  session.begun = now;
  const auto at = sessions_.insert_or_assign(from, std::move(session)).first;
  at->second.dtls->proceed();
  on_progress(at, now);
}

// Whether there is room, and time, for one more that somebody else begins.
bool Sealer::may_begin(const base::Endpoint& from, base::Time now) {
  if (now - second_ >= std::chrono::seconds{1}) {
    second_ = now;
    begun_in_second_ = 0;
    begun_by_host_.clear();
  }
  if (!sessions_.contains(from) && count(false) >= kMaxHandshakesIn) return false;
  if (begun_in_second_ >= kMaxHandshakesInPerSecond) return false;
  if (!from.address.is_loopback()) {
    const base::IpAddress host = host_of(from);
    const auto held = std::ranges::count_if(
        sessions_, [&](const auto& entry) { return !entry.second.calls && entry.first != from && host_of(entry.first) == host; });
    if (static_cast<std::size_t>(held) >= kMaxHandshakesInOfHost) return false;
    if (begun_by_host_[host] >= kMaxHandshakesInPerSecondOfHost) return false;
    ++begun_by_host_[host];
  }
  ++begun_in_second_;
  return true;
}

std::size_t Sealer::count(bool calls) const {
  return static_cast<std::size_t>(std::ranges::count_if(sessions_, [&](const auto& entry) { return entry.second.calls == calls; }));
}

// After anything that may have moved a handshake on.
void Sealer::on_progress(Sessions::iterator at, base::Time now) {
  Session& session = at->second;
  if (session.dtls->finished() && !session.secrets) {
    ++stats_.handshakes;
    session.secrets = session.dtls->secrets();
    if (!session.calls) {
      const auto swarm = by_identity_.find(session.dtls->identity());
      if (swarm != by_identity_.end()) session.swarm = swarm->second;
    }
    send_calls(at);
  }
  while (auto datagram = session.dtls->read()) on_inner(at, std::move(*datagram));
  gather_flight(at);
  set_timer(session, now);
  if (session.dtls->failed() || (session.secrets && !session.swarm))
    sessions_.erase(at);   // on_timer() begins anew, a little later
  else if (session.done())
    end(at, now);
}

// A datagram that came inside a handshake: a call, or the answer to ours.
void Sealer::on_inner(Sessions::iterator at, base::Bytes datagram) {
  Session& session = at->second;
  if (datagram.size() < wire::kChannelSize || !session.swarm) return;
  const wire::ChannelId local = channel_of(datagram);
  if (local != wire::kNoChannel) {
    const auto channel = channels_.find(local);
    const auto remote = source_of(datagram);
    if (channel == channels_.end() || channel->second.met || !remote || std::erase(session.waiting, local) == 0) return;
    meet(local, channel->second, *remote);
    channel->second.met = true;
    session.resolved = true;
  }
  received_.push_back({at->first, inner_.emplace_back(std::move(datagram)), session.swarm, waited_});
}

// Both ends of a channel have a name: it gets its keys.
void Sealer::meet(wire::ChannelId local, Channel& channel, wire::ChannelId remote) {
  const DtlsSecrets& secrets = channel.secrets;
  const auto& ours = channel.calls ? secrets.caller : secrets.answerer;
  const auto& theirs = channel.calls ? secrets.answerer : secrets.caller;
  channel.receiver.emplace(secrets.algorithm, channel_secret(theirs, {.to = local, .from = remote}));
  channel.sender.emplace(secrets.algorithm, channel_secret(ours, {.to = remote, .from = local}));
  channel.secrets = {};
}

// After anything that was done with a handshake.
void Sealer::set_timer(Session& session, base::Time now) {
  const auto left = session.dtls->until_timer();
  session.timer = left ? std::optional{now + *left} : std::nullopt;
}

void Sealer::gather_flight(Sessions::iterator at) {
  base::Bytes flight = at->second.dtls->take_output();
  if (!flight.empty()) flights_.push_back({at->first, std::move(flight)});
}

void Sealer::resolved(const base::Endpoint& at, wire::ChannelId local, base::Time now) {
  const auto session = sessions_.find(at);
  if (session == sessions_.end() || std::erase(session->second.waiting, local) == 0) return;
  session->second.resolved = true;
  if (session->second.done()) end(session, now);
}

// A call for another swarm may have waited for the place.
void Sealer::end(Sessions::iterator at, base::Time now) {
  const base::Endpoint place = at->first;
  sessions_.erase(at);
  const auto next = std::ranges::find_if(calls_, [&](const auto& entry) { return entry.second.to == place; });
  if (next != calls_.end()) begin(next->second, now);
}

// ---- out ------------------------------------------------------------------------------------------------------------

void Sealer::send(const swarm::SendDatagrams& send, std::vector<Datagrams>& out, base::Time now) {
  if (!send.sealing) {
    out.push_back({send.to, send.bytes, send.segment_size});
    return;
  }
  const auto it = channels_.find(send.sealing->local);
  if (it != channels_.end() && it->second.met) {
    if (channel_of(send.bytes) != wire::kNoChannel) seal_train(it->second, send, out);
    return;
  }
  const Datagrams train{send.to, send.bytes, send.segment_size};
  const bool is_call = channel_of(send.bytes) == wire::kNoChannel;
  for (std::size_t i = 0; i < train.count(); ++i) {
    if (is_call)
      call(send, train.datagram(i), now);
    else
      answer(send, train.datagram(i), now);
  }
}

void Sealer::seal_train(Channel& channel, const swarm::SendDatagrams& send, std::vector<Datagrams>& out) {
  const Datagrams plain{send.to, send.bytes, send.segment_size};
  const std::size_t count = plain.count();
  const base::MutableByteView room = sealed_.room(send.bytes.size() + count * kSealedOverhead);
  base::MutableByteView rest = room;
  for (std::size_t i = 0; i < count; ++i) {
    const base::ByteView datagram = plain.datagram(i);
    channel.sender->seal(datagram, rest.first(datagram.size() + kSealedOverhead));
    rest = rest.subspan(datagram.size() + kSealedOverhead);
  }
  const std::size_t segment = send.segment_size == 0 ? 0 : send.segment_size + kSealedOverhead;
  out.push_back({send.to, room, static_cast<std::uint16_t>(segment)});
}

// The first datagram of a channel of ours. It waits for a handshake with that place, and is repeated by the engine while it does.
void Sealer::call(const swarm::SendDatagrams& send, base::ByteView datagram, base::Time now) {
  const wire::ChannelId local = send.sealing->local;
  if (!calls_.contains(local) && calls_.size() >= kMaxCalls) return;
  Call& call = calls_[local];
  call.swarm = send.sealing->swarm;
  call.to = send.to;
  call.datagram = base::to_bytes(datagram);
  auto session = sessions_.find(send.to);
  if (session == sessions_.end()) {
    begin(call, now);
  } else if (session->second.secrets) {
    send_calls(session);
    on_progress(session, now);
  }
}

void Sealer::begin(Call& call, base::Time now) {
  if (now < call.not_before) return;
  call.not_before = now + kRetry;
  const auto key = keys_.find(call.swarm);
  if (key == keys_.end() || count(true) >= kMaxHandshakesOut) return;
  Session session;
  session.dtls = DtlsHandshake::call(dtls_, key->second);
  session.calls = true;
  session.swarm = call.swarm;
  session.begun = now;
  set_timer(session, now);
  gather_flight(sessions_.emplace(call.to, std::move(session)).first);
}

// All calls that belong into a finished handshake.
void Sealer::send_calls(Sessions::iterator at) {
  for (const auto& [local, call] : calls_) {
    if (call.to == at->first && call.swarm == at->second.swarm) send_inner(at, local, call.datagram);
  }
  std::erase_if(calls_, [&](const auto& entry) { return entry.second.to == at->first && entry.second.swarm == at->second.swarm; });
}

// The answer to a call goes where the call came from.
void Sealer::answer(const swarm::SendDatagrams& send, base::ByteView datagram, base::Time now) {
  const auto session = sessions_.find(send.to);
  if (session == sessions_.end() || !session->second.secrets || session->second.swarm != send.sealing->swarm) return;
  send_inner(session, send.sealing->local, datagram);
  on_progress(session, now);
}

void Sealer::send_inner(Sessions::iterator at, wire::ChannelId local, base::ByteView datagram) {
  Session& session = at->second;
  const auto known = channels_.find(local);
  if (known == channels_.end() || !known->second.met) {
    Channel channel{*session.swarm, at->first, *session.secrets, session.calls, std::nullopt, std::nullopt, false};
    const wire::ChannelId remote = channel_of(datagram);
    if (remote != wire::kNoChannel) meet(local, channel, remote);   // an answer: the other side has named its end
    channels_.insert_or_assign(local, std::move(channel));
  }
  if (std::ranges::find(session.waiting, local) == session.waiting.end()) session.waiting.push_back(local);
  session.dtls->write(datagram);
}

void Sealer::take_flights(std::vector<Datagrams>& out) {
  for (Flight& flight : flights_) {
    const Flight& kept = leaving_.emplace_back(std::move(flight));
    out.push_back({kept.to, kept.bytes, 0});
  }
  flights_.clear();
}

void Sealer::sent() {
  leaving_.clear();
  sealed_.reset();
}

void Sealer::closed(wire::ChannelId local) {
  if (const auto channel = channels_.find(local); channel != channels_.end()) {
    const auto session = sessions_.find(channel->second.peer);
    if (session != sessions_.end()) {
      std::erase(session->second.waiting, local);
      if (session->second.done()) sessions_.erase(session);
    }
    channels_.erase(channel);
  }
  const auto call = calls_.find(local);
  if (call == calls_.end()) return;
  const base::Endpoint at = call->second.to;
  calls_.erase(call);
  // A handshake that nobody has any use for would go on knocking.
  const auto session = sessions_.find(at);
  const bool used = std::ranges::any_of(calls_, [&](const auto& entry) { return entry.second.to == at; });
  if (session != sessions_.end() && session->second.calls && !session->second.secrets && !used) sessions_.erase(session);
}

void Sealer::tell(wire::ChannelId local, Call& call, swarm::CallFailed::Why why) {
  if (!std::exchange(call.told, true)) failed_.push_back({local, why});
}

// ---- time -----------------------------------------------------------------------------------------------------------

void Sealer::on_timer(base::Time now) {
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    const auto next = std::next(at);
    Session& session = at->second;
    if (now - session.begun >= life_of(session)) {
      sessions_.erase(at);
    } else if (session.timer && now >= *session.timer) {
      session.dtls->on_timer();
      on_progress(at, now);
    }
    at = next;
  }
  for (auto& [local, call] : calls_) {
    const auto session = sessions_.find(call.to);
    if (session == sessions_.end()) {
      begin(call, now);   // another handshake was in its way
    } else if (!session->second.heard && now - session->second.begun >= kSilence) {
      tell(local, call, swarm::CallFailed::Why::silent);
    }
  }
}

std::optional<base::Time> Sealer::next_deadline(base::Time now) const {
  std::optional<base::Time> next;
  const auto at = [&](base::Time time) { next = std::min(next.value_or(time), time); };
  for (const auto& [place, session] : sessions_) {
    at(session.begun + life_of(session));
    if (!session.heard && now < session.begun + kSilence) at(session.begun + kSilence);
    if (session.timer) at(*session.timer);
  }
  for (const auto& [local, call] : calls_) {
    if (!sessions_.contains(call.to)) at(std::max(call.not_before, now));
  }
  return next;
}

}  // namespace runnel::net
