#include "sim/boast.hpp"

#include <algorithm>
#include <limits>

#include "core/swarm/push_messages.hpp"
#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"
#include "support/wire_chunk.hpp"

namespace runnel::sim {
namespace {

template <class Int>
Int times(Int claim, double factor, Int most = std::numeric_limits<Int>::max()) {
  return static_cast<Int>(std::min<double>(claim * factor, most));
}

swarm::PushMessage boasted(swarm::PushMessage message, double factor) {
  constexpr std::uint8_t kMostKey = 254;
  if (auto* subscribe = std::get_if<swarm::Subscribe>(&message)) subscribe->key = times(subscribe->key, factor, kMostKey);
  if (auto* advert = std::get_if<swarm::Advert>(&message)) {
    advert->uplink = times(advert->uplink, factor);
    advert->room = times(advert->room, factor);
  }
  return message;
}

bool gives(const wire::Message& message) {
  if (const auto* extension = std::get_if<wire::Extension>(&message)) return extension->type == swarm::Bundle::kType;
  return test::chunk_of(message) || std::holds_alternative<wire::Integrity>(message) ||
         std::holds_alternative<wire::SignedIntegrity>(message);
}

}  // namespace

base::Bytes boast(base::Bytes datagram, const Boast& boast, const wire::Format& format, base::Rng& rng) {
  const auto split = wire::split_datagram(datagram);
  if (!split) return datagram;
  base::Bytes out(datagram.size());
  wire::Encoder encoder{out, format};
  encoder.channel(split->channel);
  wire::Decoder decoder{split->messages, format};
  auto message = decoder.next();
  for (; message && *message; message = decoder.next()) {
    if (gives(**message) && rng.unit() >= boast.gives) continue;
    const auto* extension = std::get_if<wire::Extension>(&**message);
    const auto push = extension == nullptr ? std::nullopt : swarm::decode_push(extension->type, extension->value, format);
    if (push)
      encoder.extension(extension->type, swarm::encode_push(boasted(*push, boast.factor)));
    else
      encoder.message(**message);
  }
  if (!message) return datagram;
  out.resize(encoder.size());
  return out;
}

}  // namespace runnel::sim
