// Segmentation offload, the kernel's and ours. A TUN device that offers it hands over up to 64 kB of one flow as a single frame, at a
// twentieth of the cost of as many packets. Links judge packets, so a frame is cut into those that would be on the wire, and what
// of them comes out together is joined again. Pure; its header is that of VIRTIO 1.1, 5.1.6.
#pragma once
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace runnel::netlab {

// virtio_net_hdr, whose own header file is not C++. Numbers in the machine's byte order.
struct FrameHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t hdr_len = 0;
  std::uint16_t gso_size = 0;     // payload bytes per packet
  std::uint16_t csum_start = 0;   // where TCP or UDP begins
  std::uint16_t csum_offset = 0;  // from there
};
constexpr std::uint8_t kGsoNone = 0;
constexpr std::uint8_t kGsoUdpSegments = 5;
constexpr std::uint8_t kGsoEcnFlag = 0x80;

constexpr std::size_t kFrameHeaderBytes = sizeof(FrameHeader);
static_assert(kFrameHeaderBytes == 10);
constexpr std::size_t kMaxFrameBytes = kFrameHeaderBytes + 65'535;
// Not in the headers of Debian 12 (Linux 6.1); from Linux 6.2 on in the kernel.
constexpr unsigned kTunFeatureUso4 = 0x20;
constexpr unsigned kTunFeatureUso6 = 0x40;

// Which part of which frame a packet is.
struct Segment {
  FrameHeader offload;        // the frame's
  std::uint64_t frame = 0;         // the frame's number
  std::uint16_t index = 0;         // among the frame's packets
  std::uint16_t header_bytes = 0;  // of IP and TCP or UDP; 0: the packet was a frame of its own
  bool is_last = true;
};

class Cutter {
 public:
  // `frame`: as read from the device, kept for the cutter's life. A frame that makes no sense has no packets.
  Cutter(base::ByteView frame, std::uint64_t number);

  // The next packet, put at the front of `into`: its size. nullopt: no more, or it does not fit.
  [[nodiscard]] std::optional<std::size_t> next(base::MutableByteView into);
  // Of the packet that next() gave last.
  [[nodiscard]] const Segment& segment() const { return segment_; }

 private:
  void start_cutting();
  void write_headers(base::MutableByteView packet, std::size_t offset) const;

  base::ByteView packet_;
  Segment segment_;
  std::size_t offset_ = 0;  // of the payload that comes next
  bool done_ = false;
};

// Makes one frame of packets that follow each other in the frame that they were cut from.
class Joiner {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // Whether the packet continues what is here.
  [[nodiscard]] bool continues(const Segment& segment) const;
  // The first, or one that continues.
  void add(base::ByteView packet, const Segment& segment);
  // What to write to the device, until the next add(). Then there is nothing here.
  [[nodiscard]] base::ByteView finish();

 private:
  base::Bytes frame_;  // grown with the first packet
  std::size_t size_ = 0;
  std::size_t packets_ = 0;
  std::size_t first_payload_bytes_ = 0;
  Segment last_;
  bool is_short_ = false;  // its last packet was smaller than the others: nothing may follow
};

}  // namespace runnel::netlab
