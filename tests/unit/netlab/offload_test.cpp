// A frame is cut into the packets that would be on the wire, and joined again without a change.
#include "netlab/offload.hpp"

#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace runnel::netlab {
namespace {

struct Shape {
  bool v4 = true;
  bool tcp = true;
  std::size_t payload_bytes = 0;
  std::uint16_t segment_bytes = 0;
};

constexpr std::byte kAckPushFinReduced{0x99};
constexpr std::size_t kFlagsAt = 13;

std::size_t ip_bytes(const Shape& shape) { return shape.v4 ? 20 : 40; }
std::size_t header_bytes(const Shape& shape) { return ip_bytes(shape) + (shape.tcp ? 32 : 8); }

FrameHeader offload_of(const Shape& shape) {
  const std::uint8_t tcp_type = shape.v4 ? 1 : 4;
  return {.flags = 1,
          .gso_type = shape.tcp ? tcp_type : kGsoUdpSegments,
          .hdr_len = static_cast<std::uint16_t>(header_bytes(shape)),
          .gso_size = shape.segment_bytes,
          .csum_start = static_cast<std::uint16_t>(ip_bytes(shape)),
          .csum_offset = static_cast<std::uint16_t>(shape.tcp ? 16 : 6)};
}

// As the kernel hands it over, but for lengths and checksums, which the tests look at in what comes out.
base::Bytes frame_of(const Shape& shape) {
  const std::size_t header = header_bytes(shape);
  base::Bytes frame(kFrameHeaderBytes + header + shape.payload_bytes);
  const FrameHeader offload = offload_of(shape);
  std::memcpy(frame.data(), &offload, sizeof offload);
  std::byte* packet = frame.data() + kFrameHeaderBytes;
  packet[0] = shape.v4 ? std::byte{0x45} : std::byte{0x60};
  if (shape.v4) base::store_big_endian<std::uint16_t>(packet + 4, 0xfffe);
  for (std::size_t i = 0; i < (shape.v4 ? 8U : 32U); ++i) packet[(shape.v4 ? 12 : 8) + i] = static_cast<std::byte>(200 + i);
  if (shape.tcp) {
    base::store_big_endian<std::uint32_t>(packet + ip_bytes(shape) + 4, 0xffff'ff00);
    packet[ip_bytes(shape) + 12] = std::byte{0x80};
    packet[ip_bytes(shape) + kFlagsAt] = kAckPushFinReduced;
  }
  for (std::size_t i = 0; i < shape.payload_bytes; ++i) packet[header + i] = static_cast<std::byte>(i * 7 + i / 256);
  return frame;
}

struct Cut {
  base::Bytes packet;
  Segment segment;
};

std::vector<Cut> cut(const base::Bytes& frame) {
  Cutter cutter{frame, 1};
  base::Bytes into(1500);
  std::vector<Cut> packets;
  while (const auto size = cutter.next(into))
    packets.push_back({base::Bytes{into.begin(), into.begin() + static_cast<std::ptrdiff_t>(*size)}, cutter.segment()});
  return packets;
}

std::uint16_t sum16(base::ByteView bytes, std::uint32_t value = 0) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) value += base::load_big_endian<std::uint16_t>(&bytes[i]);
  while (value >> 16 != 0) value = (value & 0xffff) + (value >> 16);
  return static_cast<std::uint16_t>(value);
}

// Lengths, the IP checksum and the pseudo-header's part of the transport's are those of a packet of this size.
void expect_sound(base::ByteView packet, const Shape& shape) {
  const std::size_t start = ip_bytes(shape);
  const auto number = [&](std::size_t at) { return base::load_big_endian<std::uint16_t>(&packet[at]); };
  if (shape.v4) {
    EXPECT_EQ(number(2), packet.size());
    EXPECT_EQ(sum16(packet.first(20)), 0xffff);
  } else {
    EXPECT_EQ(number(4), packet.size() - 40);
  }
  const base::ByteView addresses = shape.v4 ? packet.subspan(12, 8) : packet.subspan(8, 32);
  const auto rest = static_cast<std::uint32_t>(packet.size() - start + (shape.tcp ? 6 : 17));
  EXPECT_EQ(number(start + (shape.tcp ? 16 : 6)), sum16(addresses, rest));
  if (!shape.tcp) {
    EXPECT_EQ(number(start + 4), packet.size() - start);
  }
}

const Shape kShapes[] = {{true, true, 10'000, 1448}, {false, true, 14'280, 1428}, {true, false, 9'000, 1200}, {false, false, 5'001, 1000}};

TEST(NetlabOffload, a_frame_is_cut_into_sound_packets_with_all_of_its_payload) {
  for (const Shape& shape : kShapes) {
    const base::Bytes frame = frame_of(shape);
    const auto packets = cut(frame);
    ASSERT_EQ(packets.size(), (shape.payload_bytes + shape.segment_bytes - 1) / shape.segment_bytes);
    base::Bytes payload;
    for (std::size_t i = 0; i < packets.size(); ++i) {
      expect_sound(packets[i].packet, shape);
      EXPECT_EQ(packets[i].segment.index, i);
      EXPECT_EQ(packets[i].segment.is_last, i + 1 == packets.size());
      payload.insert(payload.end(), packets[i].packet.begin() + static_cast<std::ptrdiff_t>(header_bytes(shape)), packets[i].packet.end());
    }
    EXPECT_TRUE(std::ranges::equal(payload, base::ByteView{frame}.subspan(kFrameHeaderBytes + header_bytes(shape))));
  }
}

TEST(NetlabOffload, tcp_sequence_numbers_go_on_and_flags_stand_where_they_belong) {
  const auto packets = cut(frame_of(kShapes[0]));
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const std::byte* packet = packets[i].packet.data();
    EXPECT_EQ(base::load_big_endian<std::uint32_t>(packet + 24), 0xffff'ff00 + static_cast<std::uint32_t>(i * 1448));
    EXPECT_EQ(base::load_big_endian<std::uint16_t>(packet + 4), static_cast<std::uint16_t>(0xfffe + i));
    std::byte expected{0x10};
    if (i == 0) expected |= std::byte{0x80};
    if (i + 1 == packets.size()) expected |= std::byte{0x09};
    EXPECT_EQ(packet[20 + kFlagsAt], expected);
  }
}

base::Bytes joined(std::span<const Cut> packets) {
  Joiner joiner;
  for (const Cut& one : packets) joiner.add(one.packet, one.segment);
  return base::to_bytes(joiner.finish());
}

TEST(NetlabOffload, what_was_cut_and_joined_cuts_into_the_same_packets) {
  for (const Shape& shape : kShapes) {
    const auto packets = cut(frame_of(shape));
    const auto again = cut(joined(packets));
    ASSERT_EQ(again.size(), packets.size());
    for (std::size_t i = 0; i < packets.size(); ++i) EXPECT_EQ(again[i].packet, packets[i].packet);
    // And so does any run of them.
    const auto run = cut(joined(std::span{packets}.subspan(1, 2)));
    ASSERT_EQ(run.size(), 2U);
    EXPECT_EQ(run[0].packet.size(), packets[1].packet.size());
    EXPECT_EQ(run[1].packet, packets[2].packet);
  }
}

TEST(NetlabOffload, only_the_next_packet_of_the_same_frame_continues) {
  const auto packets = cut(frame_of(kShapes[0]));
  Joiner joiner;
  EXPECT_FALSE(joiner.continues(packets[0].segment));
  joiner.add(packets[0].packet, packets[0].segment);
  EXPECT_TRUE(joiner.continues(packets[1].segment));
  EXPECT_FALSE(joiner.continues(packets[2].segment)) << "one is missing";
  EXPECT_FALSE(joiner.continues(packets[0].segment)) << "a duplicate";
  Segment other = packets[1].segment;
  other.frame = 2;
  EXPECT_FALSE(joiner.continues(other));
}

TEST(NetlabOffload, a_packet_alone_keeps_its_bytes_and_is_no_train) {
  base::Bytes frame = frame_of({true, false, 100, 0});
  frame[1] = std::byte{kGsoNone};
  const auto packets = cut(frame);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(joined(packets), [&] {
    base::Bytes expected = frame;
    std::fill_n(expected.begin() + 2, 4, std::byte{0});  // no header length, no segment size
    return expected;
  }());
}

RC_GTEST_PROP(NetlabOffload, random_bytes_are_survived, (const std::vector<std::uint8_t>& noise, std::uint8_t type)) {
  base::Bytes frame;
  for (const std::uint8_t byte : noise) frame.push_back(static_cast<std::byte>(byte));
  if (frame.size() > 1) frame[1] = static_cast<std::byte>(type % 6);
  for (const Cut& one : cut(frame)) {
    Joiner joiner;
    joiner.add(one.packet, one.segment);
    RC_ASSERT(joiner.finish().size() >= kFrameHeaderBytes);
  }
}

}  // namespace
}  // namespace runnel::netlab
