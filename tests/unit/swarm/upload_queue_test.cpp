#include "core/swarm/upload_queue.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using base::Duration;
using base::Time;
using test::range;
using tree::ChunkIndex;
using tree::ChunkRange;
using namespace std::chrono_literals;

constexpr std::uint32_t kPacket = 1'100;
constexpr std::uint64_t kReorder = 8;   // later chunks acknowledged before one counts as lost
const Time kNow{1'000s};

// Hands out everything that waits, as if each burst were loaded and then not sent.
std::vector<ChunkRange> drain(UploadQueue& queue) {
  std::vector<ChunkRange> bursts;
  while (const auto burst = queue.next_burst()) {
    bursts.push_back(*burst);
    queue.burst_done(*burst);
  }
  return bursts;
}

void send(UploadQueue& queue, ChunkRange burst, Time now) {
  queue.burst_done(burst);
  for (std::uint64_t i = burst.first.value(); i <= burst.last.value(); ++i) queue.on_sent(ChunkIndex{i}, kPacket, now);
}

// ---- requests -------------------------------------------------------------------------------------------------------

// RFC 7574 3.7.
TEST(UploadQueue, serves_in_the_order_asked_and_bursts_end_with_their_request) {
  UploadQueue queue{kPacket};
  EXPECT_FALSE(queue.wants_more());
  EXPECT_EQ(queue.next_burst(), std::nullopt);
  queue.request(range(500, 539));
  queue.request(range(0, 3));
  EXPECT_EQ(queue.requested_chunks(), 44U);
  EXPECT_EQ(drain(queue), (std::vector{range(500, 531), range(532, 539), range(0, 3)}));
  EXPECT_FALSE(queue.wants_more());
  EXPECT_EQ(queue.requested_chunks(), 0U);
}

TEST(UploadQueue, a_repeated_request_is_served_once) {
  UploadQueue queue{kPacket};
  queue.request(range(0, 31));
  queue.request(range(0, 31));
  queue.request(range(10, 20));
  EXPECT_EQ(queue.requested_chunks(), 32U);
  EXPECT_EQ(drain(queue), std::vector{range(0, 31)});
  queue.request(range(0, 31));
  EXPECT_EQ(queue.requested_chunks(), 32U) << "but again once it was sent: it may have been lost";
}

TEST(UploadQueue, keeps_so_many_requests_and_no_more) {
  UploadQueue queue{kPacket};
  for (std::uint64_t i = 0; i < UploadQueue::kMaxRequests; ++i) queue.request(range(i * 10, i * 10));
  EXPECT_EQ(queue.requested_chunks(), UploadQueue::kMaxRequests);
  queue.request(range(1'000'000, 1'000'000));
  EXPECT_EQ(queue.requested_chunks(), UploadQueue::kMaxRequests);
  ASSERT_TRUE(queue.next_burst());
  queue.request(range(1'000'000, 1'000'000));
  EXPECT_EQ(queue.requested_chunks(), UploadQueue::kMaxRequests) << "one left, so one more has room";
  const auto rest = drain(queue);
  EXPECT_EQ(rest.size(), UploadQueue::kMaxRequests);
  EXPECT_EQ(rest.back(), range(1'000'000, 1'000'000));
}

TEST(UploadQueue, keeps_so_many_chunks_and_cuts_the_request_that_goes_beyond) {
  UploadQueue queue{kPacket};
  queue.request(range(0, UploadQueue::kMaxRequestedChunks - 11));
  queue.request(range(1'000'000, 1'000'099));
  EXPECT_EQ(queue.requested_chunks(), UploadQueue::kMaxRequestedChunks);
  queue.request(range(2'000'000, 2'000'000));
  EXPECT_EQ(queue.requested_chunks(), UploadQueue::kMaxRequestedChunks);
  EXPECT_EQ(drain(queue).back(), range(1'000'000, 1'000'009)) << "its beginning is kept";
}

TEST(UploadQueue, the_widest_request_there_is_is_cut) {
  UploadQueue queue{kPacket};
  queue.request(range(0, (std::uint64_t{1} << 62) - 1));
  EXPECT_EQ(queue.requested_chunks(), UploadQueue::kMaxRequestedChunks);
}

// RFC 7574 3.8.
TEST(UploadQueue, cancel_takes_its_chunks_out_of_whatever_waits) {
  UploadQueue queue{kPacket};
  queue.request(range(0, 9));
  queue.request(range(20, 29));
  queue.request(range(40, 49));
  queue.cancel(range(5, 42));
  EXPECT_EQ(queue.requested_chunks(), 12U);
  queue.cancel(range(46, 47));
  queue.cancel(range(100, 200));
  EXPECT_EQ(drain(queue), (std::vector{range(0, 4), range(43, 45), range(48, 49)}));
}

TEST(UploadQueue, cancel_does_not_make_more_requests_than_the_limit) {
  // Ranges around one middle, each wider than the one before: none holds the next, and one CANCEL splits them all.
  UploadQueue queue{kPacket};
  constexpr std::uint64_t kMiddle = 100'000;
  std::uint64_t requests = 0;
  for (std::uint64_t i = 1; i <= 12 && requests < UploadQueue::kMaxRequests; ++i, ++requests)
    queue.request(range(kMiddle - i, kMiddle + i));
  for (std::uint64_t i = 0; requests < UploadQueue::kMaxRequests; ++i, ++requests) queue.request(range(i * 10, i * 10));
  ASSERT_GT(queue.requested_chunks(), UploadQueue::kMaxRequests);
  queue.cancel(range(kMiddle, kMiddle));
  const auto bursts = drain(queue);
  EXPECT_EQ(bursts.size(), UploadQueue::kMaxRequests);
  EXPECT_EQ(bursts.front(), range(kMiddle - 1, kMiddle - 1));
  EXPECT_EQ(bursts.back(), range((UploadQueue::kMaxRequests - 13) * 10, (UploadQueue::kMaxRequests - 13) * 10))
      << "nobody who waited is put out";
}

TEST(UploadQueue, a_choke_clears_what_waits) {
  UploadQueue queue{kPacket};
  queue.request(range(0, 9));
  queue.clear_requests();
  EXPECT_FALSE(queue.wants_more());
  EXPECT_EQ(queue.requested_chunks(), 0U);
}

// ---- sending --------------------------------------------------------------------------------------------------------

TEST(UploadQueue, bursts_fill_the_window_and_wait_for_acknowledgements) {
  UploadQueue queue{kPacket};
  queue.request(range(0, 9'999));
  std::uint64_t out = 0;
  while (const auto burst = queue.next_burst()) {
    EXPECT_LE(burst->count(), UploadQueue::kBurstChunks);
    out += burst->count();
    send(queue, *burst, kNow);
  }
  EXPECT_LE(out * kPacket, queue.ledbat().window());
  EXPECT_GT((out + 1) * kPacket, queue.ledbat().window());
  queue.on_ack(range(0, 4), 0, kNow + 50ms);
  const auto burst = queue.next_burst();
  ASSERT_TRUE(burst);
  EXPECT_GE(burst->count(), 5U);
  EXPECT_EQ(burst->first, ChunkIndex{out});
}

TEST(UploadQueue, what_is_being_loaded_fills_the_window_as_well) {
  UploadQueue queue{kPacket};
  queue.request(range(0, 9'999));
  std::uint64_t handed = 0;
  std::optional<ChunkRange> last;
  while (const auto burst = queue.next_burst()) {
    handed += burst->count();
    last = burst;
  }
  EXPECT_LE(handed * kPacket, queue.ledbat().window());
  ASSERT_TRUE(last);
  queue.burst_done(*last);   // it could not be loaded
  const auto next = queue.next_burst();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->count(), last->count());
}

TEST(UploadQueue, a_peer_on_this_machine_gets_a_wider_window_at_once) {
  UploadQueue queue{kPacket};
  queue.set_local();
  queue.request(range(0, 9'999));
  std::uint64_t handed = 0;
  while (const auto burst = queue.next_burst()) handed += burst->count();
  EXPECT_EQ(handed, Ledbat::kMinLocalWindowPackets);
}

TEST(UploadQueue, acknowledgements_of_what_was_never_sent_change_nothing) {
  UploadQueue queue{kPacket};
  send(queue, range(0, 3), kNow);
  const std::uint64_t window = queue.ledbat().window();
  queue.on_ack(range(4, 1'000'000), 0, kNow + 10ms);
  queue.on_ack(range(0, 3), 0, kNow + 10ms);
  const auto deadline = queue.deadline();
  queue.on_ack(range(0, 3), 77'000'000, kNow + 20ms);
  EXPECT_EQ(queue.deadline(), deadline);
  EXPECT_GE(queue.ledbat().window(), window);
  EXPECT_EQ(queue.ledbat().queue_delay(), 0us);
}

// ---- loss -----------------------------------------------------------------------------------------------------------

TEST(UploadQueue, a_chunk_is_lost_when_as_many_later_ones_came_as_may_overtake_it) {
  UploadQueue queue{kPacket};
  send(queue, range(0, 31), kNow);
  const std::uint64_t window = queue.ledbat().window();
  queue.on_ack(range(1, kReorder - 1), 0, kNow + 50ms);
  EXPECT_TRUE(queue.in_flight().contains(ChunkIndex{0})) << "it may still be on its way";
  EXPECT_GE(queue.ledbat().window(), window);
  queue.on_ack(range(kReorder, kReorder), 0, kNow + 50ms);
  EXPECT_FALSE(queue.in_flight().contains(ChunkIndex{0}));
  EXPECT_LE(queue.ledbat().window(), window / 2 + kReorder * kPacket);
  EXPECT_TRUE(queue.in_flight().contains(range(kReorder + 1, 31)));
}

TEST(UploadQueue, chunks_that_come_in_another_order_are_no_loss) {
  UploadQueue queue{kPacket};
  send(queue, range(0, 31), kNow);
  const std::uint64_t window = queue.ledbat().window();
  for (std::uint64_t i = 0; i < 32; i += 4) {
    for (const std::uint64_t j : {i + 3, i + 1, i, i + 2}) queue.on_ack(range(j, j), 0, kNow + 50ms);
  }
  EXPECT_TRUE(queue.in_flight().empty());
  EXPECT_GE(queue.ledbat().window(), window);
}

TEST(UploadQueue, when_all_is_acknowledged_nothing_can_time_out_whatever_the_order) {
  UploadQueue queue{kPacket};
  send(queue, range(0, 1), kNow);
  queue.on_ack(range(1, 1), 0, kNow + 50ms);
  queue.on_ack(range(0, 0), 0, kNow + 51ms);
  EXPECT_EQ(queue.deadline(), std::nullopt);
  const std::uint64_t window = queue.ledbat().window();
  queue.on_tick(kNow + 10s);
  EXPECT_EQ(queue.ledbat().window(), window);
}

TEST(UploadQueue, between_peers_that_tolerate_it_a_little_loss_is_no_congestion) {
  for (const bool tolerant : {false, true}) {
    UploadQueue queue{kPacket};
    queue.tolerate_loss(tolerant);
    send(queue, range(0, 31), kNow);
    const std::uint64_t window = queue.ledbat().window();
    queue.on_ack(range(1, 31), 0, kNow + 50ms);
    EXPECT_EQ(queue.ledbat().window() >= window, tolerant);
  }
}

// Design decision 7: below a tenth it is none.
TEST(UploadQueue, much_loss_is_congestion_between_any_peers) {
  const auto window_after = [](std::uint64_t one_in) {
    UploadQueue queue{kPacket};
    queue.tolerate_loss(true);
    Time now = kNow;
    for (std::uint64_t i = 0; i < 2'000; ++i, now += 10ms) {
      queue.on_sent(ChunkIndex{i}, kPacket, now);
      if (i % one_in != 0) queue.on_ack(range(i, i), 0, now + 5ms);
    }
    return queue.ledbat().window();
  };
  const UploadQueue fresh{kPacket};
  EXPECT_GE(window_after(50), fresh.ledbat().window()) << "one in fifty";
  EXPECT_LT(window_after(4), fresh.ledbat().window() / 2) << "one in four";
}

TEST(UploadQueue, silence_times_out_and_gives_up_what_is_in_flight) {
  UploadQueue queue{kPacket};
  EXPECT_EQ(queue.deadline(), std::nullopt);
  queue.on_tick(kNow);
  send(queue, range(0, 31), kNow);
  const auto deadline = queue.deadline();
  ASSERT_TRUE(deadline);
  queue.on_tick(*deadline - 1us);
  EXPECT_EQ(queue.in_flight().count(), 32U);
  queue.on_tick(*deadline);
  EXPECT_TRUE(queue.in_flight().empty());
  EXPECT_EQ(queue.deadline(), std::nullopt);
  EXPECT_EQ(queue.ledbat().window(), std::uint64_t{Ledbat::kMinWindowPackets} * kPacket);
  queue.request(range(0, 31));
  EXPECT_EQ(queue.next_burst(), range(0, 1)) << "it begins anew with the least window";
}

TEST(UploadQueue, every_acknowledgement_gives_the_rest_more_time) {
  UploadQueue queue{kPacket};
  send(queue, range(0, 31), kNow);
  Time now = kNow;
  for (std::uint64_t i = 0; i < 31; ++i) {
    now += 200ms;
    queue.on_ack(range(i, i), 0, now);
    ASSERT_TRUE(queue.deadline());
    EXPECT_GE(*queue.deadline(), now + 300ms);
    queue.on_tick(now);
    EXPECT_EQ(queue.in_flight().count(), 31U - i);
  }
}

// ---- copies -----------------------------------------------------------------------------------------------------------

TEST(UploadQueue, a_second_copy_takes_the_place_of_the_first) {
  UploadQueue queue{kPacket};
  send(queue, range(0, 31), kNow);
  send(queue, range(5, 5), kNow + 100ms);
  EXPECT_EQ(queue.in_flight().count(), 32U);
  queue.request(range(100, 199));
  EXPECT_EQ(queue.next_burst(), std::nullopt) << "the window is full, and not fuller";
  queue.on_ack(range(0, 31), 0, kNow + 150ms);
  EXPECT_TRUE(queue.in_flight().empty());
  EXPECT_EQ(queue.deadline(), std::nullopt);
}

// Karn's algorithm: nobody knows which of the two is acknowledged.
TEST(UploadQueue, a_second_copy_measures_nothing) {
  UploadQueue queue{kPacket};
  send(queue, range(0, 9), kNow);
  queue.on_ack(range(0, 8), 0, kNow + 200ms);
  const Duration rtt = queue.ledbat().rtt();
  send(queue, range(9, 9), kNow + 300ms);
  queue.on_ack(range(9, 9), 5'000'000, kNow + 301ms);
  EXPECT_EQ(queue.ledbat().rtt(), rtt);
  EXPECT_EQ(queue.ledbat().queue_delay(), 0us);
  EXPECT_TRUE(queue.in_flight().empty());
}

TEST(UploadQueue, a_have_ends_the_waiting_and_measures_nothing) {
  UploadQueue queue{kPacket};
  send(queue, range(0, 31), kNow);
  const std::uint64_t window = queue.ledbat().window();
  queue.on_have(range(0, 30), kNow + 50ms);
  EXPECT_EQ(queue.in_flight().count(), 1U);
  EXPECT_EQ(queue.ledbat().window(), window);
  EXPECT_EQ(queue.ledbat().rtt(), 0us);
  queue.on_have(range(31, 31), kNow + 50ms);
  EXPECT_EQ(queue.deadline(), std::nullopt);
  queue.on_have(range(0, 31), kNow + 60ms);
  EXPECT_EQ(queue.ledbat().window(), window);
}

// What was given up and is acknowledged after all was late, not lost. So many such chunks are remembered.
TEST(UploadQueue, what_comes_late_is_taken_out_of_the_loss) {
  const auto window_after = [](bool late_acks) {
    UploadQueue queue{kPacket};
    queue.tolerate_loss(true);
    Time now = kNow;
    for (std::uint64_t i = 0; i < 2'000; ++i, now += 10ms) {
      queue.on_sent(ChunkIndex{i}, kPacket, now);
      if (i % 4 != 0) queue.on_ack(range(i, i), 0, now + 5ms);
      if (late_acks && i % 4 == 3 && i >= 40) queue.on_ack(range(i - 39, i - 39), 0, now + 6ms);
    }
    return queue.ledbat().window();
  };
  EXPECT_LT(window_after(false), window_after(true) / 4);
}

// A path with a second and a half of queue: its first answers all come after the time-out.
TEST(UploadQueue, who_always_answers_too_late_is_waited_for_longer) {
  UploadQueue queue{kPacket};
  Time now = kNow;
  std::uint64_t next = 0;
  for (int round = 0; round < 4; ++round) {
    send(queue, range(next, next + 1), now);
    queue.on_tick(now + 1'400ms);
    queue.on_ack(range(next, next + 1), 0, now + 1'500ms);
    now += 2s;
    next += 10;
  }
  EXPECT_GT(queue.ledbat().rtt(), 1s) << "a whole round was timed";
  EXPECT_GT(queue.ledbat().window(), 2 * kPacket);
}

TEST(UploadQueue, a_have_is_no_late_answer) {
  UploadQueue queue{kPacket};
  send(queue, range(0, 1), kNow);
  queue.on_tick(kNow + 1s);
  queue.on_have(range(0, 1), kNow + 30s);
  EXPECT_EQ(queue.ledbat().timeout(), 1s);
}

// ---- against a naive model ------------------------------------------------------------------------------------------

struct Sent {
  std::uint64_t index;
  bool out = true;   // neither acknowledged nor given up
};

RC_GTEST_PROP(UploadQueue, agrees_with_a_naive_model, ()) {
  UploadQueue queue{kPacket};
  queue.tolerate_loss(*rc::gen::arbitrary<bool>());
  std::deque<std::uint64_t> waiting;
  std::deque<ChunkRange> loading;
  std::vector<Sent> sent;   // in order
  std::uint64_t fresh = 0;  // each chunk is asked for once
  Time now = kNow;
  const auto out = [&] {
    tree::IntervalSet set;
    for (const Sent& s : sent) {
      if (s.out) set.insert(range(s.index, s.index));
    }
    return set;
  };
  const int steps = *rc::gen::inRange(0, 200);
  for (int step = 0; step < steps; ++step) {
    now += Duration{*rc::gen::inRange(0, 30'000)};
    switch (*rc::gen::inRange(0, 12)) {
      case 0:
      case 1:
      case 2: {
        const auto count = *rc::gen::element<std::uint64_t>(1, 2, 3, 20, 70);
        fresh += *rc::gen::inRange<std::uint64_t>(0, 3);
        queue.request(range(fresh, fresh + count - 1));
        for (const std::uint64_t end = fresh + count; fresh < end;) waiting.push_back(fresh++);
        break;
      }
      case 3: {
        const auto first = *rc::gen::inRange<std::uint64_t>(0, fresh + 1);
        const ChunkRange gone = range(first, first + *rc::gen::inRange<std::uint64_t>(0, 40));
        queue.cancel(gone);
        std::erase_if(waiting, [&](std::uint64_t i) { return gone.contains(ChunkIndex{i}); });
        break;
      }
      case 4:
      case 5:
      case 6: {
        const std::uint64_t window = queue.ledbat().window();
        std::uint64_t busy = out().count();
        for (const ChunkRange& r : loading) busy += r.count();
        const auto burst = queue.next_burst();
        const bool room = (busy + 1) * kPacket <= window;
        RC_ASSERT(burst.has_value() == (room && !waiting.empty()));
        if (!burst) break;
        RC_ASSERT(burst->count() <= UploadQueue::kBurstChunks);
        RC_ASSERT((busy + burst->count()) * kPacket <= window);
        for (std::uint64_t i = burst->first.value(); i <= burst->last.value(); ++i) {
          RC_ASSERT(waiting.front() == i);
          waiting.pop_front();
        }
        loading.push_back(*burst);
        break;
      }
      case 7:
      case 8: {
        if (loading.empty()) break;
        const ChunkRange burst = loading.front();
        loading.pop_front();
        if (*rc::gen::inRange(0, 8) == 0) {   // not to be had
          queue.burst_done(burst);
          break;
        }
        send(queue, burst, now);
        for (std::uint64_t i = burst.first.value(); i <= burst.last.value(); ++i) sent.push_back({i});
        break;
      }
      case 9:
      case 10: {
        // Mostly a few of what was sent last, in any order.
        const std::size_t newest_sent = sent.empty() ? 0 : sent.size() - 1;
        const std::size_t about = *rc::gen::inRange<std::size_t>(newest_sent - std::min<std::size_t>(newest_sent, 12), newest_sent + 1);
        const std::uint64_t first =
            *rc::gen::inRange(0, 5) == 0 || sent.empty() ? *rc::gen::inRange<std::uint64_t>(0, fresh + 1) : sent[about].index;
        const ChunkRange acked = range(first, first + *rc::gen::element<std::uint64_t>(0, 0, 1, 3, 12, 200));
        queue.on_ack(acked, *rc::gen::inRange<std::uint64_t>(0, 200'000), now);
        std::size_t newest = 0;
        for (std::size_t i = 0; i < sent.size(); ++i) {
          if (!sent[i].out || !acked.contains(ChunkIndex{sent[i].index})) continue;
          sent[i].out = false;
          newest = i;
        }
        for (std::size_t i = 0; i + kReorder <= newest; ++i) sent[i].out = false;
        break;
      }
      default:
        if (queue.deadline() && now >= *queue.deadline()) {
          for (Sent& s : sent) s.out = false;
        }
        queue.on_tick(now);
    }
    RC_ASSERT(queue.requested_chunks() == waiting.size());
    RC_ASSERT(queue.wants_more() == !waiting.empty());
    RC_ASSERT(queue.in_flight() == out());
    RC_ASSERT(queue.deadline().has_value() == !out().empty());
  }
}

}  // namespace
}  // namespace runnel::swarm
