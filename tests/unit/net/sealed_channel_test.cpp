#include "net/sealed_channel.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace runnel::net {
namespace {

using base::Bytes;

constexpr crypto::SealAlgorithm kAlgorithm = crypto::SealAlgorithm::aes_128_gcm;
constexpr std::uint64_t kKeyDatagrams = std::uint64_t{1} << kKeyDatagramsBits;

ChannelSecret secret(std::uint8_t seed) {
  ChannelSecret out;
  out.fill(static_cast<std::byte>(seed));
  return out;
}

// A channel id and messages, as the engine makes them.
Bytes datagram(std::size_t size, std::uint8_t fill = 5) {
  Bytes bytes(size, static_cast<std::byte>(fill));
  base::store_big_endian(bytes.data(), std::uint32_t{0xc123'4567});
  return bytes;
}

Bytes sealed(SealedSender& sender, base::ByteView plain) {
  Bytes out(plain.size() + kSealedOverhead);
  sender.seal(plain, out);
  return out;
}

bool opens_to(SealedReceiver& receiver, Bytes bytes, base::ByteView plain) {
  const auto opened = receiver.open(bytes);
  return opened && base::equal(*opened, plain);
}

bool opens(SealedReceiver& receiver, Bytes bytes) { return receiver.open(bytes).has_value(); }

struct SealedChannel : testing::Test {
  SealedSender sender{kAlgorithm, secret(1)};
  SealedReceiver receiver{kAlgorithm, secret(1)};
};

TEST_F(SealedChannel, a_datagram_arrives_as_it_was) {
  for (const std::size_t size : {4, 5, 100, 1428}) {
    const Bytes plain = datagram(size);
    EXPECT_TRUE(opens_to(receiver, sealed(sender, plain), plain)) << size << " bytes";
  }
}

TEST_F(SealedChannel, only_the_channel_id_can_be_read_on_the_way) {
  const Bytes plain = datagram(200, 0x55);
  const Bytes out = sealed(sender, plain);
  EXPECT_EQ(out.size(), plain.size() + 24);
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + 4, plain.begin()));
  EXPECT_EQ(std::ranges::search(out, Bytes(4, std::byte{0x55})).size(), 0U);
}

TEST_F(SealedChannel, equal_datagrams_look_different) {
  const Bytes plain = datagram(64);
  const Bytes a = sealed(sender, plain);
  const Bytes b = sealed(sender, plain);
  EXPECT_FALSE(std::equal(a.begin() + kSealedHeader, a.end(), b.begin() + kSealedHeader));
}

TEST_F(SealedChannel, a_repeated_datagram_is_refused) {
  const Bytes out = sealed(sender, datagram(64));
  EXPECT_TRUE(opens(receiver, out));
  EXPECT_FALSE(opens(receiver, out));
}

TEST_F(SealedChannel, a_channel_id_that_was_changed_is_noticed) {
  Bytes out = sealed(sender, datagram(64));
  out[3] ^= std::byte{1};
  EXPECT_FALSE(opens(receiver, out));
}

TEST_F(SealedChannel, another_channels_datagrams_are_refused) {
  SealedSender other{kAlgorithm, secret(2)};
  EXPECT_FALSE(opens(receiver, sealed(other, datagram(64))));
}

TEST_F(SealedChannel, what_is_too_short_is_refused) {
  for (std::size_t size = 0; size < kSealedHeader + crypto::kSealTagSize; ++size) EXPECT_FALSE(opens(receiver, Bytes(size)));
}

TEST_F(SealedChannel, each_side_and_each_channel_has_a_key_of_its_own) {
  const Bytes exported(32, std::byte{1});
  const Bytes others(32, std::byte{2});
  const wire::ChannelId x{0xc000'0001};
  const wire::ChannelId y{0xc000'0002};
  const wire::ChannelId z{0xc000'0003};
  const ChannelSecret a = channel_secret(exported, {.to = x, .from = y});
  EXPECT_EQ(a, channel_secret(exported, {.to = x, .from = y}));
  EXPECT_NE(a, channel_secret(exported, {.to = z, .from = y}));
  EXPECT_NE(a, channel_secret(exported, {.to = x, .from = z})) << "whatever names the other side gives to its ends";
  EXPECT_NE(a, channel_secret(exported, {.to = y, .from = x}));
  EXPECT_NE(a, channel_secret(others, {.to = x, .from = y}));
}

// Whatever the order and however often they come: each is taken once, unless it is far behind the newest.
RC_GTEST_PROP(ReplayWindow, takes_each_counter_once_and_none_that_is_far_behind, ()) {
  ReplayWindow window;
  std::vector<std::uint64_t> taken;
  std::uint64_t newest = 0;
  std::uint64_t around = *rc::gen::inRange<std::uint64_t>(0, 5000);
  for (int i = 0; i < 300; ++i) {
    around += *rc::gen::inRange<std::uint64_t>(0, 40);
    if (*rc::gen::inRange(0, 50) == 0) around += *rc::gen::inRange<std::uint64_t>(0, 3 * kReplayWindow);
    const std::uint64_t counter = around - std::min(around, *rc::gen::inRange<std::uint64_t>(0, 1500));
    const bool was = std::ranges::find(taken, counter) != taken.end();
    const bool old = !taken.empty() && counter + kReplayWindow <= newest;
    RC_ASSERT(window.is_new(counter) == (!was && !old));
    if (was || old) continue;
    window.mark(counter);
    taken.push_back(counter);
    newest = std::max(newest, counter);
  }
}

// Sends datagrams until the key is about to change.
void use_up(SealedSender& sender, SealedReceiver& receiver, std::uint64_t but) {
  const Bytes plain = datagram(8);
  Bytes out(plain.size() + kSealedOverhead);
  for (std::uint64_t i = 0; i < kKeyDatagrams - but; ++i) {
    sender.seal(plain, out);
    if (i % 1000 == 0) {
      ASSERT_TRUE(opens(receiver, out)) << i;
    }
  }
}

TEST_F(SealedChannel, the_key_changes_without_a_gap_whatever_overtakes_what) {
  use_up(sender, receiver, 4);
  std::vector<Bytes> last_of_old, first_of_new;
  for (int i = 0; i < 4; ++i) last_of_old.push_back(sealed(sender, datagram(20)));
  for (int i = 0; i < 4; ++i) first_of_new.push_back(sealed(sender, datagram(20)));
  EXPECT_TRUE(opens(receiver, last_of_old[0]));
  for (const Bytes& bytes : first_of_new) EXPECT_TRUE(opens(receiver, bytes));
  for (int i = 1; i < 4; ++i) EXPECT_TRUE(opens(receiver, last_of_old[static_cast<std::size_t>(i)]));
  EXPECT_FALSE(opens(receiver, last_of_old[1])) << "repeated across the change";
}

TEST_F(SealedChannel, a_forged_counter_does_not_change_the_key) {
  Bytes out = sealed(sender, datagram(20));
  for (const std::uint64_t counter : {kKeyDatagrams, kKeyDatagrams + 7, 2 * kKeyDatagrams, ~std::uint64_t{0}}) {
    Bytes forged = out;
    base::store_big_endian(forged.data() + wire::kChannelSize, counter);
    EXPECT_FALSE(opens(receiver, forged));
  }
  EXPECT_TRUE(opens(receiver, out));
  use_up(sender, receiver, 1);
  EXPECT_TRUE(opens(receiver, sealed(sender, datagram(20)))) << "of the next key";
}

}  // namespace
}  // namespace runnel::net
