#include "media/transport.hpp"

#include <gtest/gtest.h>

#include "base/rng.hpp"

namespace runnel::media {
namespace {

constexpr std::size_t kPiece = 32'768;

// Packets with a number in each, and nothing in them that looks like a sync byte.
base::Bytes packets(std::size_t count, std::size_t from = 0) {
  base::Bytes bytes;
  for (std::size_t i = from; i < from + count; ++i) {
    bytes.push_back(kTsSync);
    for (const std::size_t shift : {8U, 0U}) bytes.push_back(static_cast<std::byte>(i >> shift & 0x3f));
    bytes.resize((i - from + 1) * kTsPacketBytes, static_cast<std::byte>(i & 0x3f));
  }
  return bytes;
}
bool is_null(base::ByteView packet) { return packet[0] == kTsSync && packet[1] == std::byte{0x1f} && packet[2] == std::byte{0xff}; }
// Without null packets.
base::Bytes payload(base::ByteView all) {
  base::Bytes rest;
  for (std::size_t at = 0; at + kTsPacketBytes <= all.size(); at += kTsPacketBytes) {
    const base::ByteView packet = all.subspan(at, kTsPacketBytes);
    EXPECT_EQ(packet[0], kTsSync) << at;
    EXPECT_TRUE(packet[1] != std::byte{0xff} || is_null(packet));
    if (packet[1] == std::byte{0x1f} && packet[2] == std::byte{0xff}) continue;
    rest.insert(rest.end(), packet.begin(), packet.end());
  }
  return rest;
}

TEST(TransportFiller, gives_full_pieces_that_packets_straddle) {
  TransportFiller filler{kPiece};
  const base::Bytes all = packets(400);
  filler.add(all);
  base::Bytes got;
  while (const auto piece = filler.take()) {
    EXPECT_EQ(piece->size(), kPiece);
    got.insert(got.end(), piece->begin(), piece->end());
  }
  EXPECT_EQ(got.size(), 2 * kPiece);
  EXPECT_TRUE(std::equal(got.begin(), got.end(), all.begin()));
  EXPECT_TRUE(filler.waits());
}

TEST(TransportFiller, fills_what_waits_with_null_packets_and_keeps_the_step) {
  base::Rng rng{7};
  TransportFiller filler{kPiece};
  base::Bytes sent;
  base::Bytes got;
  for (std::size_t number = 0; number < 2'000;) {
    const std::size_t count = 1 + rng.below(200);
    const base::Bytes some = packets(count, number);
    number += count;
    sent.insert(sent.end(), some.begin(), some.end());
    filler.add(some);
    while (const auto piece = filler.take()) got.insert(got.end(), piece->begin(), piece->end());
    if (rng.below(2) == 0) continue;
    if (const auto piece = filler.fill()) {
      EXPECT_EQ(piece->size(), kPiece);
      got.insert(got.end(), piece->begin(), piece->end());
    }
    EXPECT_FALSE(filler.waits());
    EXPECT_EQ(filler.fill(), std::nullopt) << "the end of a null packet is nothing that waits";
  }
  if (const auto piece = filler.fill()) got.insert(got.end(), piece->begin(), piece->end());
  EXPECT_EQ(got.size() % kPiece, 0U);
  EXPECT_EQ(payload(got), sent);
}

TEST(TransportAligner, begins_at_a_packet_wherever_the_bytes_begin) {
  const base::Bytes all = packets(50);
  for (std::size_t skip = 0; skip <= kTsPacketBytes; ++skip) {
    TransportAligner aligner;
    const base::Bytes got = aligner.feed(base::ByteView{all}.subspan(skip), true);
    const std::size_t first = (skip + kTsPacketBytes - 1) / kTsPacketBytes * kTsPacketBytes;
    ASSERT_EQ(got.size(), all.size() - first);
    EXPECT_TRUE(std::equal(got.begin(), got.end(), all.begin() + static_cast<std::ptrdiff_t>(first)));
  }
}

TEST(TransportAligner, goes_on_over_any_cuts) {
  base::Rng rng{3};
  const base::Bytes all = packets(500);
  TransportAligner aligner;
  base::Bytes got;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t size = std::min<std::size_t>(1 + rng.below(3'000), all.size() - at);
    const base::Bytes some = aligner.feed(base::ByteView{all}.subspan(at, size), at == 0);
    EXPECT_EQ(some.size() % kTsPacketBytes, 0U);
    got.insert(got.end(), some.begin(), some.end());
    at += size;
  }
  EXPECT_EQ(got, all);
}

TEST(TransportAligner, leaves_the_broken_packet_out_where_bytes_are_missing) {
  const base::Bytes all = packets(100);
  TransportAligner aligner;
  const base::Bytes before = aligner.feed(base::ByteView{all}.first(40 * kTsPacketBytes + 100), true);
  EXPECT_EQ(before.size(), 40 * kTsPacketBytes);
  const base::Bytes after = aligner.feed(base::ByteView{all}.subspan(60 * kTsPacketBytes + 7), true);
  ASSERT_EQ(after.size(), 39 * kTsPacketBytes);
  EXPECT_TRUE(std::equal(after.begin(), after.end(), all.begin() + 61 * kTsPacketBytes));
}

TEST(TransportAligner, finds_the_step_again_after_a_source_left_it) {
  TransportAligner aligner;
  EXPECT_FALSE(aligner.feed(packets(20), true).empty());
  EXPECT_TRUE(aligner.feed(base::Bytes(333), false).empty());
  base::Bytes got;
  for (const std::size_t count : {30U, 30U}) {
    const base::Bytes some = aligner.feed(packets(count), false);
    got.insert(got.end(), some.begin(), some.end());
  }
  EXPECT_GE(got.size(), 50 * kTsPacketBytes);
  static_cast<void>(payload(got));   // each begins with the sync byte
}

TEST(TransportAligner, takes_no_noise_for_packets_and_keeps_little_of_it) {
  base::Rng rng{11};
  TransportAligner aligner;
  for (int i = 0; i < 100; ++i) {
    base::Bytes noise(kPiece);
    for (std::byte& b : noise) b = static_cast<std::byte>(rng());
    EXPECT_TRUE(aligner.feed(noise, false).empty());
  }
  EXPECT_EQ(aligner.feed(packets(40), false).size() / kTsPacketBytes, 40U) << "behind noise";
}

}  // namespace
}  // namespace runnel::media
