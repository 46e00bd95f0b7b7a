#include "core/swarm/outbox.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.hpp"
#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using base::Endpoint;
using test::range;
using tree::ChunkIndex;

constexpr std::size_t kMaxUdpPayload = 65'507;   // bytes, over IPv4

Endpoint place(std::uint8_t number, std::uint16_t port = 7'000) { return {base::IpAddress::v4({10, 0, 0, number}), port}; }

// A datagram whose bytes all are `fill`.
void put(Outbox& outbox, const Endpoint& to, std::size_t size, std::uint8_t fill = 0) {
  const base::MutableByteView room = outbox.begin_datagram();
  ASSERT_GE(room.size(), size);
  std::ranges::fill(room.first(size), std::byte{fill});
  outbox.end_datagram(to, size);
}

std::vector<SendDatagrams> pop_trains(Outbox& outbox) {
  std::vector<SendDatagrams> trains;
  while (const auto output = outbox.pop()) trains.push_back(std::get<SendDatagrams>(*output));
  return trains;
}

TEST(Outbox, equal_datagrams_to_one_place_leave_as_one_train) {
  Outbox outbox;
  EXPECT_TRUE(outbox.empty());
  EXPECT_FALSE(outbox.pop());
  for (int i = 0; i < 10; ++i) put(outbox, place(1), 1'000);
  EXPECT_FALSE(outbox.empty());
  const auto trains = pop_trains(outbox);
  ASSERT_EQ(trains.size(), 1U);
  EXPECT_EQ(trains[0].to, place(1));
  EXPECT_EQ(trains[0].segment_size, 1'000U);
  EXPECT_EQ(trains[0].bytes.size(), 10'000U);
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, a_shorter_datagram_ends_its_train_and_a_longer_one_begins_another) {
  Outbox outbox;
  for (const std::size_t size : {1'000U, 1'000U, 400U, 400U, 1'000U, 1'001U}) put(outbox, place(1), size);
  const auto trains = pop_trains(outbox);
  ASSERT_EQ(trains.size(), 4U);
  EXPECT_EQ(trains[0].bytes.size(), 2'400U);
  EXPECT_EQ(trains[0].segment_size, 1'000U);
  EXPECT_EQ(trains[1].bytes.size(), 400U);
  EXPECT_EQ(trains[2].bytes.size(), 1'000U);
  EXPECT_EQ(trains[3].bytes.size(), 1'001U);
}

TEST(Outbox, another_place_or_port_is_another_train) {
  Outbox outbox;
  for (const Endpoint& to : {place(1), place(2), place(1), place(1, 7'001)}) put(outbox, to, 500);
  const auto trains = pop_trains(outbox);
  ASSERT_EQ(trains.size(), 4U);
  EXPECT_EQ(trains[0].to, place(1));
  EXPECT_EQ(trains[1].to, place(2));
  EXPECT_EQ(trains[2].to, place(1));
  EXPECT_EQ(trains[3].to, place(1, 7'001));
}

TEST(Outbox, a_train_has_so_many_segments_and_no_more) {
  Outbox outbox;
  for (std::size_t i = 0; i < Outbox::kMaxTrain; ++i) put(outbox, place(1), Outbox::kMaxDatagram);
  put(outbox, place(1), Outbox::kMaxDatagram);
  const auto trains = pop_trains(outbox);
  ASSERT_EQ(trains.size(), 2U);
  EXPECT_EQ(trains[0].bytes.size(), Outbox::kMaxTrain * Outbox::kMaxDatagram);
  EXPECT_LE(trains[0].bytes.size(), kMaxUdpPayload);
  EXPECT_EQ(trains[1].bytes.size(), Outbox::kMaxDatagram);
}

TEST(Outbox, the_largest_datagram_has_room_at_any_time) {
  Outbox outbox;
  for (int i = 0; i < 2'000; ++i) {
    put(outbox, place(1), 1);
    EXPECT_EQ(outbox.begin_datagram().size(), Outbox::kMaxDatagram);
    put(outbox, place(1), Outbox::kMaxDatagram);
  }
}

TEST(OutboxDeathTest, empty_and_oversized_datagrams_are_our_own_bugs) {
  Outbox outbox;
  static_cast<void>(outbox.begin_datagram());
  EXPECT_DEATH(outbox.end_datagram(place(1), 0), "datagram size");
  EXPECT_DEATH(outbox.end_datagram(place(1), Outbox::kMaxDatagram + 1), "datagram size");
}

TEST(Outbox, what_is_put_in_between_keeps_its_place) {
  Outbox outbox;
  put(outbox, place(1), 1'000);
  outbox.load({LoadId{5}, SwarmHandle{1}, range(0, 9)});
  put(outbox, place(1), 1'000);
  outbox.event(Event{Completed{SwarmHandle{1}}});
  EXPECT_TRUE(std::holds_alternative<SendDatagrams>(*outbox.pop()));
  EXPECT_EQ(std::get<LoadChunks>(*outbox.pop()).id, LoadId{5});
  EXPECT_TRUE(std::holds_alternative<SendDatagrams>(*outbox.pop()));
  EXPECT_TRUE(std::holds_alternative<Event>(*outbox.pop()));
  EXPECT_FALSE(outbox.pop());
}

TEST(Outbox, a_train_that_was_polled_does_not_grow) {
  Outbox outbox;
  put(outbox, place(1), 1'000);
  const auto first = std::get<SendDatagrams>(*outbox.pop());
  put(outbox, place(1), 1'000);
  const auto second = std::get<SendDatagrams>(*outbox.pop());
  EXPECT_EQ(first.bytes.size(), 1'000U);
  EXPECT_EQ(second.bytes.size(), 1'000U);
  EXPECT_NE(first.bytes.data(), second.bytes.data());
}

TEST(Outbox, stores_keep_their_views_while_the_next_batch_is_gathered) {
  Outbox outbox;
  const base::Bytes memory(1'000);
  const base::ByteView chunk{memory};
  StoreBatch batch;
  for (std::uint64_t store = 0; store < 50; ++store) {
    for (std::uint64_t i = 0; i < 4; ++i) batch.add(ChunkIndex{store * 100 + i}, chunk.subspan(i, 1));
    outbox.store(SwarmHandle{1}, batch);
    EXPECT_TRUE(batch.empty());
  }
  for (std::uint64_t store = 0; store < 50; ++store) {
    const auto out = std::get<StoreChunks>(*outbox.pop());
    ASSERT_EQ(out.runs.size(), 1U);
    EXPECT_EQ(out.runs[0].range(), range(store * 100, store * 100 + 3));
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(out.runs[0].chunks[i].data(), chunk.data() + i);
  }
}

TEST(Outbox, after_a_reset_it_is_empty_and_its_memory_is_used_again) {
  Outbox outbox;
  put(outbox, place(1), 1'000);
  const std::byte* const memory = std::get<SendDatagrams>(*outbox.pop()).bytes.data();
  outbox.reset();
  EXPECT_TRUE(outbox.empty());
  put(outbox, place(1), 1'000);
  const auto trains = pop_trains(outbox);
  ASSERT_EQ(trains.size(), 1U);
  EXPECT_EQ(trains[0].bytes.size(), 1'000U) << "nothing of the old train";
  EXPECT_EQ(trains[0].bytes.data(), memory);
}

TEST(OutboxDeathTest, outputs_are_not_thrown_away) {
  Outbox outbox;
  put(outbox, place(1), 1'000);
  EXPECT_DEATH(outbox.reset(), "poll");
}

RC_GTEST_PROP(Outbox, cut_by_their_segment_size_trains_are_the_datagrams_that_were_put_in, ()) {
  struct Datagram {
    Endpoint to;
    base::Bytes bytes;
  };
  Outbox outbox;
  for (int inputs = *rc::gen::inRange(1, 4); inputs > 0; --inputs) {
    std::vector<Datagram> put_in;
    std::vector<SendDatagrams> trains;
    // Sizes and places repeat often, as they do where chunks are sent.
    const auto count = *rc::gen::inRange(0, 400);
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    base::Rng rng{seed};
    Endpoint to = place(1);
    std::size_t size = 1'000;
    for (int i = 0; i < count; ++i) {
      if (rng.below(20) == 0) to = place(static_cast<std::uint8_t>(1 + rng.below(3)));
      if (rng.below(10) == 0) size = 1 + rng.below(Outbox::kMaxDatagram);
      const auto fill = static_cast<std::uint8_t>(rng.below(256));
      const base::MutableByteView room = outbox.begin_datagram();
      std::ranges::fill(room.first(size), std::byte{fill});
      outbox.end_datagram(to, size);
      put_in.push_back({to, base::Bytes(size, std::byte{fill})});
      if (rng.below(50) == 0) {
        if (const auto output = outbox.pop()) trains.push_back(std::get<SendDatagrams>(*output));
      }
    }
    while (const auto output = outbox.pop()) trains.push_back(std::get<SendDatagrams>(*output));
    std::size_t next = 0;
    for (const SendDatagrams& train : trains) {
      RC_ASSERT(!train.bytes.empty());
      RC_ASSERT(train.bytes.size() <= kMaxUdpPayload);
      std::size_t segments = 0;
      for (base::ByteView rest = train.bytes; !rest.empty(); ++segments) {
        const base::ByteView datagram = rest.first(std::min<std::size_t>(train.segment_size, rest.size()));
        rest = rest.subspan(datagram.size());
        RC_ASSERT(next < put_in.size());
        RC_ASSERT(put_in[next].to == train.to);
        RC_ASSERT(base::equal(put_in[next].bytes, datagram));
        ++next;
      }
      RC_ASSERT(segments <= Outbox::kMaxTrain);
    }
    RC_ASSERT(next == put_in.size());
    outbox.reset();
  }
}

}  // namespace
}  // namespace runnel::swarm
