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

UploadQueue& Channel::begin_uploads(std::uint32_t first_packets) {
  if (!uploads) {
    uploads = std::make_unique<UploadQueue>(packet_size(format), first_packets);
    uploads->tolerate_loss(agreed.extensions());
    if (endpoint.address.is_loopback()) uploads->set_local();
  }
  return *uploads;
}

void Channel::rest_uploads(base::Time now) {
  if (!uploads || !uploads->idle() || now - last_request < kUploadsRest) return;
  uploads.reset();
  hash_lists = {};
}

std::uint32_t Channel::packet_size(const wire::Format& format) {
  constexpr std::uint32_t kTypical = 1080;
  const std::uint32_t chunk = format.chunk_size == wire::kVariableChunkSize ? kTypical : format.chunk_size;
  return chunk + static_cast<std::uint32_t>(wire::kChannelSize + wire::data_header_size(format));
}

}  // namespace runnel::swarm
