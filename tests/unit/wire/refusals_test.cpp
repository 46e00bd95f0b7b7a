// What is neither written nor read, case by case: each is a branch of its own.
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"
#include "core/wire/options.hpp"

namespace runnel::wire {
namespace {

using tree::ChunkIndex;
using tree::ChunkRange;

constexpr auto kNoMethod = static_cast<AddressingMethod>(9);

ChunkRange range(std::uint64_t first, std::uint64_t last) { return {ChunkIndex{first}, ChunkIndex{last}}; }

class Refusals : public testing::Test {
 protected:
  // Nothing was written by what was refused.
  template <class Write>
  void expect_refused(Write write, const Format& format = {}, std::size_t room = 256) {
    Encoder encoder{base::MutableByteView{buffer_}.first(room), format};
    EXPECT_FALSE(write(encoder));
    EXPECT_EQ(encoder.size(), 0U);
  }
  std::array<std::byte, 256> buffer_{};
  const crypto::Digest hash_{20};
};

// ---- chunk specifications ---------------------------------------------------------------------------------------------

TEST_F(Refusals, a_chunk_addressing_method_that_nobody_knows_names_nothing) {
  const Format format{.addressing = kNoMethod};
  base::Reader reader{base::ByteView{buffer_}};
  EXPECT_EQ(chunk_spec_size(kNoMethod), 0U);
  EXPECT_FALSE(read_chunk_spec(reader, format));
  EXPECT_FALSE(expressible(range(0, 0), format));
  EXPECT_FALSE(write_chunk_spec(buffer_, range(0, 0), format));
}

TEST_F(Refusals, no_method_names_ranges_that_end_before_they_start_or_beyond_all_indices) {
  for (const auto method : {AddressingMethod::bins32, AddressingMethod::bytes64, AddressingMethod::chunks32, AddressingMethod::bins64,
                            AddressingMethod::chunks64}) {
    const Format format{.addressing = method, .chunk_size = 1024};
    for (const ChunkRange wrong : {range(2, 1), range(0, kMaxChunkIndex + 1)}) {
      EXPECT_FALSE(expressible(wrong, format));
      EXPECT_FALSE(write_chunk_spec(buffer_, wrong, format));
    }
    EXPECT_FALSE(write_chunk_spec(base::MutableByteView{buffer_}.first(chunk_spec_size(method) - 1), range(0, 0), format));
  }
}

TEST_F(Refusals, bytes_need_a_chunk_size) {
  for (const std::uint32_t size : {std::uint32_t{0}, kVariableChunkSize}) {
    const Format format{.addressing = AddressingMethod::bytes64, .chunk_size = size};
    base::Reader reader{base::ByteView{buffer_}};
    EXPECT_EQ(read_chunk_spec(reader, format).error(), Error::bytes_without_chunk_size);
    EXPECT_FALSE(expressible(range(0, 0), format));
  }
}

TEST_F(Refusals, bins_of_32_bits_end_where_the_empty_bin_is) {
  const Format format{.addressing = AddressingMethod::bins32};
  EXPECT_TRUE(expressible(range(0x7ffffffe, 0x7ffffffe), format));
  EXPECT_FALSE(expressible(range(0x80000000, 0x80000000), format));
  EXPECT_FALSE(expressible(range(1, 2), format)) << "no subtree";
}

// ---- encoder ----------------------------------------------------------------------------------------------------------

// Found by the fuzz target wire: a short chunk was written amid the content, with a range that nobody could read.
TEST_F(Refusals, chunks_named_by_bytes_are_as_long_as_the_content_has_them) {
  constexpr std::uint32_t kChunk = 16;
  constexpr std::uint64_t kContent = 40;   // two chunks and a half
  const Format known{.addressing = AddressingMethod::bytes64, .chunk_size = kChunk, .content_size = kContent};
  for (std::uint64_t chunk = 0; chunk < 4; ++chunk) {
    for (std::size_t size = 1; size <= kChunk; ++size) {
      const std::uint64_t end = chunk * kChunk + size;
      const bool right = size == kChunk ? end <= kContent : end == kContent;
      Encoder encoder{buffer_, known};
      EXPECT_EQ(encoder.data(ChunkIndex{chunk}, NodeTimestamp{1}, base::Bytes(size)), right) << chunk << " of " << size;
      Decoder decoder{encoder.written(), known};
      const auto back = decoder.next();
      ASSERT_TRUE(back) << message(back.error());
      EXPECT_EQ(back->has_value(), right);
    }
  }
}

TEST_F(Refusals, what_the_peer_did_not_list_is_not_said_but_for_handshakes) {
  const MessageSet nothing;
  const auto said = [&](auto write) {
    Encoder encoder{buffer_, Format{}};
    encoder.only(nothing);
    return write(encoder);
  };
  EXPECT_FALSE(said([](Encoder& e) { return e.choke(); }));
  EXPECT_FALSE(said([](Encoder& e) { return e.have(range(0, 0)); }));
  EXPECT_TRUE(said([](Encoder& e) { return e.handshake({}); }));
  MessageSet have;
  have.insert(MessageType::have);
  Encoder encoder{buffer_, Format{}};
  encoder.only(have);
  EXPECT_TRUE(encoder.have(range(0, 0)));
  EXPECT_FALSE(encoder.choke());
}

TEST_F(Refusals, messages_need_their_room_to_the_last_byte) {
  expect_refused([](Encoder& e) { return e.channel(ChannelId{1}); }, {}, 3);
  expect_refused([](Encoder& e) { return e.handshake({}); }, {}, 5);
  expect_refused([](Encoder& e) { return e.choke(); }, {}, 0);
  expect_refused([](Encoder& e) { return e.have(range(0, 0)); }, {}, 0);
  expect_refused([](Encoder& e) { return e.have(range(0, 0)); }, {}, 8);
  expect_refused([](Encoder& e) { return e.ack(range(0, 0), DelaySample{1}); }, {}, 16);
  expect_refused([&](Encoder& e) { return e.integrity(range(0, 0), hash_); }, {.hash_size = 20}, 28);
  expect_refused([](Encoder& e) { return e.pex_res_cert(base::Bytes(10)); }, {}, 12);
  expect_refused([](Encoder& e) { return e.extension(1, base::Bytes(10)); }, {}, 14);
  for (const std::size_t room : {std::size_t{9}, std::size_t{20}})
    expect_refused([](Encoder& e) { return e.message(Pushed{ChunkIndex{0}, 1, base::Bytes(10)}); }, {}, room);
}

TEST_F(Refusals, a_handshake_whose_options_can_not_be_written_is_not) {
  Handshake handshake;
  handshake.options.discard_window = 7;   // without the method that gives its width
  expect_refused([&](Encoder& e) { return e.handshake(handshake); });
  EXPECT_FALSE(handshake_size(handshake));
  EXPECT_FALSE(encode_options(handshake.options, buffer_));
  EXPECT_FALSE(encode_options({.version = kVersionRfc}, base::MutableByteView{buffer_}.first(2))) << "and its end needs a byte as well";
}

TEST_F(Refusals, hashes_and_signatures_are_of_one_subtree_and_of_the_swarms_length) {
  const Format format{.hash_size = 20, .signature_size = 64};
  const base::Bytes signature(64);
  for (const ChunkRange wrong : {range(1, 0), range(1, 2)}) {
    expect_refused([&](Encoder& e) { return e.integrity(wrong, hash_); }, format);
    expect_refused([&](Encoder& e) { return e.signed_integrity(wrong, NtpTimestamp{1}, signature); }, format);
  }
  expect_refused([](Encoder& e) { return e.integrity(range(0, 1), crypto::Digest{}); }, format);
  expect_refused([](Encoder& e) { return e.integrity(range(0, 1), crypto::Digest{32}); }, format);
  expect_refused([](Encoder& e) { return e.signed_integrity(range(0, 1), NtpTimestamp{1}, {}); }, format);
  expect_refused([&](Encoder& e) { return e.signed_integrity(range(0, 1), NtpTimestamp{1}, signature); }, {.signature_size = 32});
  expect_refused([&](Encoder& e) { return e.signed_integrity(range(0, 1), NtpTimestamp{1}, signature); }, format, 80);
}

TEST_F(Refusals, a_short_chunk_named_by_bytes_has_an_end_that_64_bits_name) {
  const base::Bytes chunk(10);
  const auto write = [&](std::uint64_t index) {
    return [&, index](Encoder& e) { return e.data(ChunkIndex{index}, NodeTimestamp{1}, chunk); };
  };
  const Format far{.addressing = AddressingMethod::bytes64, .chunk_size = 1024};
  constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max() / 1024;
  expect_refused(write(kLast + 1), far);
  Encoder encoder{buffer_, far};
  EXPECT_TRUE(write(kLast)(encoder)) << "what can be read can be written";
  expect_refused(write(0), {.addressing = AddressingMethod::bytes64, .chunk_size = kVariableChunkSize});
  expect_refused(write(0), {.addressing = AddressingMethod::bytes64, .chunk_size = 0});
}

// ---- decoder ----------------------------------------------------------------------------------------------------------

TEST_F(Refusals, a_close_carries_no_option_but_a_version) {
  const base::Bytes id(20);
  std::vector<Options> wrong(9);
  wrong[0].minimum_version = kVersionRfc;
  wrong[1].swarm_id = id;
  wrong[2].integrity = IntegrityMethod::merkle_tree;
  wrong[3].hash = crypto::HashAlgorithm::sha256;
  wrong[4].signature = crypto::SignatureAlgorithm::ecdsa_p256_sha256;
  wrong[5].addressing = AddressingMethod::chunks32;
  wrong[6].addressing = AddressingMethod::chunks32;
  wrong[6].discard_window = 1;
  wrong[7].supported_messages = MessageSet::rfc();
  wrong[8].chunk_size = 1024;
  const auto read = [&](const Options& options) {
    Encoder encoder{buffer_, Format{}};
    EXPECT_TRUE(encoder.handshake({kNoChannel, options}));
    return Decoder{encoder.written(), Format{}}.next();
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    wrong[i].version = kVersionRfc;
    const auto message = read(wrong[i]);
    ASSERT_FALSE(message) << i;
    EXPECT_EQ(message.error(), Error::close_with_options) << i;
  }
  EXPECT_TRUE(read(Options{.version = kVersionRfc}));
}

TEST_F(Refusals, an_extension_is_cut_nowhere) {
  for (const char* cut : {"e0", "e000", "e00001", "e0000100", "e000010002", "e00001000205"}) {
    const base::Bytes bytes = base::from_hex(cut).value();
    const auto message = Decoder{bytes, Format{}}.next();
    ASSERT_FALSE(message) << cut;
    EXPECT_EQ(message.error(), Error::truncated) << cut;
  }
}

TEST_F(Refusals, a_pushed_chunk_is_cut_nowhere) {
  const std::string whole = "e100000000000701020304aa";
  for (std::size_t size = 1; size < 11; ++size) {
    const base::Bytes bytes = base::from_hex(whole.substr(0, 2 * size)).value();
    const auto message = Decoder{bytes, Format{}}.next();
    ASSERT_FALSE(message) << size;
    EXPECT_EQ(message.error(), Error::truncated) << size;
  }
  const base::Bytes no_payload = base::from_hex(whole.substr(0, 22)).value();
  EXPECT_EQ(Decoder(no_payload, Format{}).next().error(), Error::empty_payload);
}

TEST_F(Refusals, no_chunk_fits_where_chunks_have_no_bytes) {
  Encoder encoder{buffer_, Format{.chunk_size = 1}};
  ASSERT_TRUE(encoder.data(ChunkIndex{0}, NodeTimestamp{1}, base::Bytes(1)));
  const auto message = Decoder{encoder.written(), Format{.chunk_size = 0}}.next();
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error(), Error::empty_payload);
}

TEST_F(Refusals, an_error_that_nobody_named_has_a_text_all_the_same) { EXPECT_FALSE(message(static_cast<Error>(255)).empty()); }

}  // namespace
}  // namespace runnel::wire
