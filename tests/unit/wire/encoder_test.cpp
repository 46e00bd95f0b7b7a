#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "core/wire/encoder.hpp"

namespace runnel::wire {
namespace {

using tree::ChunkIndex;
using tree::ChunkRange;

ChunkRange range(std::uint64_t first, std::uint64_t last) { return {ChunkIndex{first}, ChunkIndex{last}}; }
base::Bytes bytes(std::string_view hex) { return base::from_hex(hex).value(); }

class EncoderTest : public testing::Test {
 protected:
  std::array<std::byte, 256> buffer_{};
};

TEST_F(EncoderTest, writes_a_first_datagram_as_section_8_says) {
  Encoder encoder{buffer_, Format{}};
  const auto swarm_id = bytes("0102");
  ASSERT_TRUE(encoder.channel(kNoChannel));
  ASSERT_TRUE(encoder.handshake({ChannelId{0xc0ffee01}, {.version = kVersionRfc, .minimum_version = kVersionRfc, .swarm_id = swarm_id}}));
  EXPECT_EQ(base::to_hex(encoder.written()),
            "00000000"
            "00c0ffee01"
            "0001"
            "0101"
            "0200020102"
            "ff");
  EXPECT_EQ(encoder.size(), encoder.written().size());
  EXPECT_EQ(encoder.remaining(), buffer_.size() - encoder.size());
}

TEST_F(EncoderTest, lets_content_be_put_in_place) {
  Encoder encoder{buffer_, Format{}};
  const auto place = encoder.data_in_place(ChunkIndex{7}, NodeTimestamp{50'000}, 3);
  ASSERT_TRUE(place);
  ASSERT_EQ(place->size(), 3U);
  std::ranges::fill(*place, std::byte{0xab});
  EXPECT_EQ(base::to_hex(encoder.written()),
            "01"
            "00000007"
            "00000007"
            "000000000000c350"
            "ababab");
  EXPECT_EQ(encoder.size(), data_header_size(Format{}) + 3);
}

TEST_F(EncoderTest, says_beforehand_how_large_messages_will_be) {
  for (const auto addressing : {AddressingMethod::bins32, AddressingMethod::bytes64, AddressingMethod::chunks32, AddressingMethod::bins64,
                                AddressingMethod::chunks64}) {
    const Format format{.addressing = addressing, .hash_size = 20, .signature_size = 64, .chunk_size = 1024};
    const auto size_of = [&](auto write) {
      Encoder encoder{buffer_, format};
      EXPECT_TRUE(write(encoder));
      return encoder.size();
    };
    const base::Bytes signature(64);
    EXPECT_EQ(size_of([](Encoder& e) { return e.have(range(0, 3)); }), range_size(format));
    EXPECT_EQ(size_of([](Encoder& e) { return e.ack(range(0, 3), {}); }), ack_size(format));
    EXPECT_EQ(size_of([](Encoder& e) { return e.integrity(range(0, 3), crypto::Digest{20}); }), integrity_size(format));
    EXPECT_EQ(size_of([&](Encoder& e) { return e.signed_integrity(range(0, 3), {}, signature); }), signed_integrity_size(format));
    EXPECT_EQ(size_of([](Encoder& e) { return e.data_in_place(ChunkIndex{1}, {}, 1).has_value(); }), data_header_size(format) + 1);
    EXPECT_EQ(size_of([](Encoder& e) { return e.pushed_in_place(ChunkIndex{1}, 0, 1).has_value(); }), kPushedHeaderSize + 1);
    EXPECT_EQ(size_of([](Encoder& e) { return e.choke(); }), kEmptyMessageSize);
    EXPECT_EQ(size_of([](Encoder& e) { return e.extension(1, {}); }), kExtensionHeaderSize);
    EXPECT_EQ(size_of([](Encoder& e) { return e.pex_res_cert({}); }), kPexResCertHeaderSize);
    EXPECT_EQ(size_of([](Encoder& e) { return e.pex_res(*base::Endpoint::parse("192.0.2.1:1")); }), kPexResV4Size);
    EXPECT_EQ(size_of([](Encoder& e) { return e.pex_res(*base::Endpoint::parse("[2001:db8::1]:1")); }), kPexResV6Size);
  }
  // The figures of RFC 7574 with 32-bit chunk ranges: DATA header 17, INTEGRITY 29 and 41, SIGNED_INTEGRITY with P-256 81.
  EXPECT_EQ(data_header_size({}), 17U);
  EXPECT_EQ(integrity_size({.hash_size = 20}), 29U);
  EXPECT_EQ(integrity_size({.hash_size = 32}), 41U);
  EXPECT_EQ(signed_integrity_size({.signature_size = 64}), 81U);
}

TEST_F(EncoderTest, refuses_what_the_format_cannot_say_and_writes_nothing) {
  const Format format{.hash_size = 32, .signature_size = 64, .chunk_size = 8};
  Encoder encoder{buffer_, format};
  const base::Bytes signature(64);
  const base::Bytes nine(9);
  EXPECT_FALSE(encoder.have(range(4, 3)));
  EXPECT_FALSE(encoder.have(range(0, std::uint64_t{1} << 32)));
  EXPECT_FALSE(encoder.integrity(range(2, 5), crypto::Digest{32}));
  EXPECT_FALSE(encoder.integrity(range(0, 3), crypto::Digest{20}));
  EXPECT_FALSE(encoder.signed_integrity(range(0, 3), {}, base::ByteView{signature}.first(63)));
  EXPECT_FALSE(encoder.signed_integrity(range(1, 2), {}, signature));
  EXPECT_FALSE(encoder.data(ChunkIndex{0}, {}, {}));
  EXPECT_FALSE(encoder.data(ChunkIndex{0}, {}, nine));
  EXPECT_FALSE(encoder.extension(1, base::Bytes(65'536)));
  EXPECT_FALSE(encoder.pex_res_cert(base::Bytes(65'536)));
  EXPECT_FALSE(encoder.data_in_place(ChunkIndex{0}, {}, std::numeric_limits<std::size_t>::max()));
  EXPECT_FALSE(encoder.message(Pushed{ChunkIndex{0}, 0, {}}));
  EXPECT_FALSE(encoder.message(Pushed{ChunkIndex{0}, 0, nine}));
  EXPECT_FALSE(encoder.pushed_in_place(ChunkIndex{kMaxPushedIndex + 1}, 0, 8));
  EXPECT_EQ(encoder.size(), 0U);
}

TEST_F(EncoderTest, refuses_options_that_no_decoder_would_take) {
  Encoder encoder{buffer_, Format{}};
  const base::Bytes long_id(kMaxSwarmIdSize + 1);
  const auto refuses = [&](const Options& options) {
    return !encoder.handshake({ChannelId{1}, options}) && !handshake_size({ChannelId{1}, options});
  };
  EXPECT_TRUE(refuses({.version = 0}));
  EXPECT_TRUE(refuses({.minimum_version = 0}));
  EXPECT_TRUE(refuses({.swarm_id = base::ByteView{}}));
  EXPECT_TRUE(refuses({.swarm_id = long_id}));
  EXPECT_TRUE(refuses({.discard_window = 1}));
  EXPECT_TRUE(refuses({.addressing = AddressingMethod::chunks32, .discard_window = 0xffff'ffff}));
  EXPECT_TRUE(refuses({.chunk_size = 0}));
  EXPECT_EQ(encoder.size(), 0U);
}

}  // namespace
}  // namespace runnel::wire
