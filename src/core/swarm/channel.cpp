#include "core/swarm/channel.hpp"

#include <algorithm>
#include <cstring>

namespace runnel::swarm {

void Channel::flush(Outbox& outbox) {
  if (gathered_ == 0) return;
  base::store_big_endian(room_.data(), remote.value());
  const base::MutableByteView to = outbox.begin_datagram();
  std::memcpy(to.data(), room_.data(), gathered_);
  end_datagram(outbox, gathered_);
  discard(outbox);
  ++unanswered;
}

std::uint32_t Channel::packet_size(const wire::Format& format) {
  constexpr std::uint32_t kTypical = 1080;
  const std::uint32_t chunk = format.chunk_size == wire::kVariableChunkSize ? kTypical : format.chunk_size;
  return chunk + static_cast<std::uint32_t>(wire::kChannelSize + wire::data_header_size(format));
}

}  // namespace runnel::swarm
