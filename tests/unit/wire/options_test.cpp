#include <gtest/gtest.h>

#include "core/wire/options.hpp"

namespace runnel::wire {
namespace {

base::Bytes with_swarm_id(std::size_t size) {
  base::Bytes out;
  base::Writer writer{out};
  writer.write(static_cast<std::uint8_t>(OptionCode::swarm_id));
  writer.write(static_cast<std::uint16_t>(size));
  writer.write_view(base::Bytes(size, std::byte{7}));
  writer.write(static_cast<std::uint8_t>(OptionCode::end));
  return out;
}

base::Bytes with_bitmap(std::size_t size) {
  base::Bytes out;
  base::Writer writer{out};
  writer.write(static_cast<std::uint8_t>(OptionCode::supported_messages));
  writer.write(static_cast<std::uint8_t>(size));
  writer.write_view(base::Bytes(size, std::byte{0xff}));
  writer.write(static_cast<std::uint8_t>(OptionCode::end));
  return out;
}

std::expected<Options, Error> decode(const base::Bytes& list) {
  base::Reader reader{list};
  return decode_options(reader);
}

TEST(Options, take_a_swarm_id_up_to_its_limit_and_not_beyond) {
  const auto longest = decode(with_swarm_id(kMaxSwarmIdSize));
  ASSERT_TRUE(longest);
  EXPECT_EQ(longest->swarm_id->size(), kMaxSwarmIdSize);
  EXPECT_EQ(decode(with_swarm_id(kMaxSwarmIdSize + 1)).error(), Error::swarm_id_too_long);
  EXPECT_EQ(decode(with_swarm_id(65'535)).error(), Error::swarm_id_too_long);
}

TEST(Options, take_a_bitmap_up_to_its_limit_and_not_beyond) {
  const auto longest = decode(with_bitmap(kMaxBitmapSize));
  ASSERT_TRUE(longest);
  for (int type = 0; type < 256; ++type) EXPECT_TRUE(longest->supported_messages->contains(static_cast<MessageType>(type)));
  EXPECT_EQ(decode(with_bitmap(kMaxBitmapSize + 1)).error(), Error::bitmap_too_long);
}

TEST(Options, leave_the_reader_behind_their_end) {
  const base::Bytes list{std::byte{0}, std::byte{1}, std::byte{0xff}, std::byte{0x0b}};
  base::Reader reader{list};
  ASSERT_TRUE(decode_options(reader));
  EXPECT_EQ(reader.remaining(), 1U);
}

TEST(Options, know_each_code_from_0_to_9_and_no_other) {
  for (unsigned code = 10; code < 255; ++code) {
    EXPECT_EQ(decode({static_cast<std::byte>(code), std::byte{1}, std::byte{0xff}}).error(), Error::unknown_option) << code;
  }
}

TEST(MessageSet, is_the_bitmap_of_the_rfc) {
  EXPECT_EQ(base::to_hex(MessageSet::rfc().bitmap()), "fffc");
  EXPECT_FALSE(MessageSet::rfc().contains(MessageType::extension));
  MessageSet set = MessageSet::rfc();
  // RFC 7574 7.10: a peer without ACK and peer exchange.
  set.erase(MessageType::ack).erase(MessageType::pex_res_v4).erase(MessageType::pex_req).erase(MessageType::pex_res_v6);
  set.erase(MessageType::pex_res_cert);
  EXPECT_EQ(base::to_hex(set.bitmap()), "d9f0");
  set.insert(MessageType::extension);
  EXPECT_EQ(set.bitmap().size(), 29U);
  EXPECT_TRUE(set.contains(MessageType::extension));
  EXPECT_TRUE(MessageSet{}.bitmap().empty());
}

TEST(MessageSet, takes_no_more_of_a_bitmap_than_there_are_types) {
  const base::Bytes longer(kMaxBitmapSize + 8, std::byte{0xff});
  EXPECT_EQ(MessageSet::from_bitmap(longer).bitmap().size(), kMaxBitmapSize);
}

}  // namespace
}  // namespace runnel::wire
