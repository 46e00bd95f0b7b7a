#include "netlab/offload.hpp"

#include <algorithm>
#include <cstring>

#include "base/check.hpp"

namespace runnel::netlab {
namespace {

constexpr std::size_t kIpv4LengthAt = 2;
constexpr std::size_t kIpv4IdAt = 4;
constexpr std::size_t kIpv4ChecksumAt = 10;
constexpr std::size_t kIpv4AddressesAt = 12;
constexpr std::size_t kIpv4MinBytes = 20;
constexpr std::size_t kIpv6LengthAt = 4;
constexpr std::size_t kIpv6AddressesAt = 8;
constexpr std::size_t kIpv6Bytes = 40;
constexpr std::size_t kTcpSequenceAt = 4;
constexpr std::size_t kTcpDataOffsetAt = 12;
constexpr std::size_t kTcpFlagsAt = 13;
constexpr std::size_t kTcpMinBytes = 20;
constexpr std::size_t kUdpBytes = 8;
constexpr std::size_t kUdpLengthAt = 4;
constexpr std::byte kTcpFin{0x01};
constexpr std::byte kTcpPush{0x08};
constexpr std::byte kTcpReduced{0x80};  // CWR (RFC 3168 6.1)
constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint8_t kProtocolUdp = 17;

bool is_tcp(const FrameHeader& offload) { return (offload.gso_type & ~kGsoEcnFlag) != kGsoUdpSegments; }
bool is_v4(base::ByteView packet) { return std::to_integer<unsigned>(packet[0]) >> 4 == 4; }

// The ones' complement sum of RFC 1071.
std::uint32_t sum(base::ByteView bytes, std::uint32_t start) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) start += base::load_big_endian<std::uint16_t>(&bytes[i]);
  return start;
}
std::uint16_t fold(std::uint32_t value) {
  while (value >> 16 != 0) value = (value & 0xffff) + (value >> 16);
  return static_cast<std::uint16_t>(value);
}

// std::ranges::copy goes byte by byte here (g++ 12, -O2), at ten times the cost.
void copy(base::ByteView from, base::MutableByteView to) { std::memcpy(to.data(), from.data(), from.size()); }

template <class T>
void put(base::MutableByteView packet, std::size_t at, T value) {
  base::store_big_endian<T>(&packet[at], value);
}
template <class T>
T get(base::ByteView packet, std::size_t at) {
  return base::load_big_endian<T>(&packet[at]);
}

// Lengths and checksums for a packet of this size. TCP's and UDP's checksum covers only the pseudo-header: the device is told that the
// rest is left to it (VIRTIO_NET_HDR_F_NEEDS_CSUM), and the receiving host does without.
void set_lengths(base::MutableByteView packet, const FrameHeader& offload) {
  const std::size_t transport_bytes = packet.size() - offload.csum_start;
  std::uint32_t pseudo = static_cast<std::uint32_t>(transport_bytes) + (is_tcp(offload) ? kProtocolTcp : kProtocolUdp);
  if (is_v4(packet)) {
    put(packet, kIpv4LengthAt, static_cast<std::uint16_t>(packet.size()));
    put(packet, kIpv4ChecksumAt, std::uint16_t{0});
    const std::size_t header_bytes = (std::to_integer<std::size_t>(packet[0]) & 0xf) * 4;
    put(packet, kIpv4ChecksumAt, static_cast<std::uint16_t>(~fold(sum(packet.first(std::min(header_bytes, packet.size())), 0))));
    pseudo = sum(packet.subspan(kIpv4AddressesAt, 8), pseudo);
  } else {
    put(packet, kIpv6LengthAt, static_cast<std::uint16_t>(packet.size() - kIpv6Bytes));
    pseudo = sum(packet.subspan(kIpv6AddressesAt, 32), pseudo);
  }
  if (!is_tcp(offload)) put(packet, offload.csum_start + kUdpLengthAt, static_cast<std::uint16_t>(transport_bytes));
  put(packet, std::size_t{offload.csum_start} + offload.csum_offset, fold(pseudo));
}

// 0: these are no headers that can be cut.
std::size_t header_size(base::ByteView packet, const FrameHeader& offload) {
  const std::size_t ip_bytes = is_v4(packet) ? kIpv4MinBytes : kIpv6Bytes;
  const std::size_t start = offload.csum_start;
  const std::size_t least = is_tcp(offload) ? kTcpMinBytes : kUdpBytes;
  if (start < ip_bytes || packet.size() < start + least || offload.csum_offset + 2U > least) return 0;
  const std::size_t transport = is_tcp(offload) ? std::to_integer<std::size_t>(packet[start + kTcpDataOffsetAt] >> 4) * 4 : kUdpBytes;
  return transport >= least && start + transport <= packet.size() ? start + transport : 0;
}

}  // namespace

Cutter::Cutter(base::ByteView frame, std::uint64_t number) {
  segment_.frame = number;
  if (frame.size() <= kFrameHeaderBytes) {
    done_ = true;
    return;
  }
  std::memcpy(&segment_.offload, frame.data(), kFrameHeaderBytes);
  packet_ = frame.subspan(kFrameHeaderBytes);
  if (segment_.offload.gso_type != kGsoNone) start_cutting();
}

void Cutter::start_cutting() {
  segment_.header_bytes = static_cast<std::uint16_t>(header_size(packet_, segment_.offload));
  done_ = segment_.header_bytes == 0 || segment_.offload.gso_size == 0;
  offset_ = segment_.header_bytes;
}

std::optional<std::size_t> Cutter::next(base::MutableByteView into) {
  if (done_) return std::nullopt;
  if (segment_.header_bytes == 0) {
    done_ = true;
    if (packet_.size() > into.size()) return std::nullopt;
    copy(packet_, into);
    return packet_.size();
  }
  const std::size_t header = segment_.header_bytes;
  const std::size_t payload = std::min<std::size_t>(segment_.offload.gso_size, packet_.size() - offset_);
  if (header + payload > into.size()) {
    done_ = true;
    return std::nullopt;
  }
  if (offset_ > header) ++segment_.index;
  copy(packet_.first(header), into);
  copy(packet_.subspan(offset_, payload), into.subspan(header));
  segment_.is_last = done_ = offset_ + payload == packet_.size();
  write_headers(into.first(header + payload), offset_ - header);
  offset_ += payload;
  return header + payload;
}

void Cutter::write_headers(base::MutableByteView packet, std::size_t offset) const {
  const std::size_t start = segment_.offload.csum_start;
  if (is_v4(packet)) put(packet, kIpv4IdAt, static_cast<std::uint16_t>(get<std::uint16_t>(packet, kIpv4IdAt) + segment_.index));
  if (is_tcp(segment_.offload)) {
    put(packet, start + kTcpSequenceAt, get<std::uint32_t>(packet, start + kTcpSequenceAt) + static_cast<std::uint32_t>(offset));
    if (!segment_.is_last) packet[start + kTcpFlagsAt] &= ~(kTcpFin | kTcpPush);
    if (segment_.index != 0) packet[start + kTcpFlagsAt] &= ~kTcpReduced;
  }
  set_lengths(packet, segment_.offload);
}

bool Joiner::continues(const Segment& segment) const {
  return !empty() && segment.header_bytes != 0 && !is_short_ && segment.frame == last_.frame && segment.index == last_.index + 1;
}

void Joiner::add(base::ByteView packet, const Segment& segment) {
  base::check(empty() || continues(segment), "only what continues is joined");
  if (frame_.empty()) frame_.resize(kMaxFrameBytes);
  const base::ByteView payload = packet.subspan(segment.header_bytes);
  if (empty()) {
    size_ = kFrameHeaderBytes + segment.header_bytes;
    copy(packet.first(segment.header_bytes), base::MutableByteView{frame_}.subspan(kFrameHeaderBytes));
    packets_ = 0;
    first_payload_bytes_ = payload.size();
  } else if (is_tcp(segment.offload)) {
    // FIN and PSH are said by the last of the frame alone.
    const std::size_t flags = segment.offload.csum_start + kTcpFlagsAt;
    frame_[kFrameHeaderBytes + flags] |= packet[flags];
  }
  copy(payload, base::MutableByteView{frame_}.subspan(size_));
  size_ += payload.size();
  is_short_ = payload.size() < first_payload_bytes_;
  last_ = segment;
  ++packets_;
}

base::ByteView Joiner::finish() {
  FrameHeader offload = last_.offload;
  const base::MutableByteView packet = base::MutableByteView{frame_}.subspan(kFrameHeaderBytes, size_ - kFrameHeaderBytes);
  if (packets_ == 1) {
    offload.gso_type = kGsoNone;
    offload.gso_size = 0;
    offload.hdr_len = 0;
  } else {
    offload.hdr_len = last_.header_bytes;
    offload.gso_size = static_cast<std::uint16_t>(first_payload_bytes_);
    set_lengths(packet, offload);
  }
  std::memcpy(frame_.data(), &offload, kFrameHeaderBytes);
  const std::size_t size = size_;
  size_ = 0;
  return base::ByteView{frame_}.first(size);
}

}  // namespace runnel::netlab
