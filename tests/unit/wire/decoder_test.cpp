#include <gtest/gtest.h>

#include <array>

#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"

namespace runnel::wire {
namespace {

base::Bytes bytes(std::string_view hex) { return base::from_hex(hex).value(); }

TEST(Datagram, is_refused_when_it_is_too_short_to_name_a_channel) {
  EXPECT_FALSE(split_datagram({}));
  EXPECT_FALSE(split_datagram(bytes("000001")));
}

TEST(Datagram, of_four_bytes_is_a_keep_alive) {
  const auto keep_alive = bytes("c0ffee01");
  const auto datagram = split_datagram(keep_alive);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->channel, ChannelId{0xc0ffee01});
  EXPECT_TRUE(datagram->messages.empty());
  Decoder decoder{datagram->messages, Format{}};
  const auto next = decoder.next();
  ASSERT_TRUE(next);
  EXPECT_FALSE(*next);
}

TEST(Decoder, gives_messages_in_order_of_appearance) {
  const auto messages = bytes(
      "0b"
      "0a"
      "06");
  Decoder decoder{messages, Format{}};
  EXPECT_TRUE(std::holds_alternative<Unchoke>(**decoder.next()));
  EXPECT_TRUE(std::holds_alternative<Choke>(**decoder.next()));
  EXPECT_TRUE(std::holds_alternative<PexReq>(**decoder.next()));
  EXPECT_FALSE(*decoder.next());
  EXPECT_FALSE(*decoder.next());
}

TEST(Decoder, drops_everything_behind_the_first_invalid_message_for_good) {
  const auto messages = bytes(
      "0b"
      "0e"
      "0a");
  Decoder decoder{messages, Format{}};
  EXPECT_TRUE(std::holds_alternative<Unchoke>(**decoder.next()));
  for (int call = 0; call < 3; ++call) {
    const auto next = decoder.next();
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error(), Error::unknown_message);
  }
}

TEST(Decoder, reads_what_follows_a_handshake_in_the_format_that_the_handshake_set) {
  const auto messages = bytes(
      "00a1b2c3d40604ff"
      "0300000000000000010000000000000002");
  Decoder decoder{messages, Format{}};
  const auto handshake = decoder.next();
  ASSERT_TRUE(handshake && *handshake);
  decoder.set_format(Format{.addressing = *std::get<Handshake>(**handshake).options.addressing});
  const auto have = decoder.next();
  ASSERT_TRUE(have && *have);
  EXPECT_EQ(std::get<Have>(**have).range, (tree::ChunkRange{tree::ChunkIndex{1}, tree::ChunkIndex{2}}));
}

TEST(Decoder, gives_views_into_the_datagram_itself) {
  const auto messages = bytes("0100000007000000070000000000000001aabbcc");
  Decoder decoder{messages, Format{}};
  const auto data = decoder.next();
  ASSERT_TRUE(data && *data);
  EXPECT_EQ(std::get<Data>(**data).payload.data(), messages.data() + 17);
}

TEST(Decoder, refuses_hashes_longer_than_any_hash_function_gives) {
  const auto messages = base::Bytes(200, std::byte{4});
  Decoder decoder{messages, Format{.hash_size = crypto::kMaxDigestSize + 1}};
  EXPECT_EQ(decoder.next().error(), Error::no_hashes_here);
}

TEST(Error, has_a_text_of_its_own_for_every_value) {
  std::vector<std::string_view> texts;
  for (int error = 0; error <= static_cast<int>(Error::no_signatures_here); ++error) {
    texts.push_back(message(static_cast<Error>(error)));
    EXPECT_GT(texts.back().size(), 20U);
  }
  std::ranges::sort(texts);
  EXPECT_EQ(std::ranges::adjacent_find(texts), texts.end());
}

TEST(Message, can_be_copied_without_a_thought) { EXPECT_TRUE(std::is_trivially_copyable_v<Message>); }

}  // namespace
}  // namespace runnel::wire
