#include "core/swarm/download_queue.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
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

const Time kNow{1'000s};

std::uint64_t count(const std::vector<ChunkRange>& ranges) {
  std::uint64_t chunks = 0;
  for (const ChunkRange& r : ranges) chunks += r.count();
  return chunks;
}

TEST(DownloadQueue, what_was_asked_is_outstanding_until_it_comes) {
  DownloadQueue queue;
  EXPECT_EQ(queue.waiting_since(), std::nullopt);
  queue.add(range(10, 12), kNow);
  EXPECT_EQ(queue.outstanding(), 3U);
  EXPECT_EQ(queue.waiting_since(), kNow);
  EXPECT_EQ(queue.asked_at(ChunkIndex{12}), kNow);
  EXPECT_EQ(queue.asked_at(ChunkIndex{13}), std::nullopt);
  EXPECT_TRUE(queue.take(ChunkIndex{11}, true, kNow + 1s));
  EXPECT_FALSE(queue.take(ChunkIndex{11}, true, kNow + 2s)) << "a duplicate";
  EXPECT_FALSE(queue.take(ChunkIndex{9}, true, kNow + 2s)) << "never asked";
  EXPECT_EQ(queue.waiting_since(), kNow + 2s);
  EXPECT_TRUE(queue.take(ChunkIndex{10}, false, kNow + 3s)) << "from someone else";
  EXPECT_EQ(queue.waiting_since(), kNow + 2s) << "which says nothing about this peer";
  EXPECT_EQ(queue.take_all(), std::vector{range(12, 12)});
  EXPECT_EQ(queue.outstanding(), 0U);
  EXPECT_EQ(queue.waiting_since(), std::nullopt);
  queue.add(range(12, 12), kNow + 60s);
  EXPECT_EQ(queue.waiting_since(), kNow + 60s) << "waiting begins anew";
}

TEST(DownloadQueue, the_longest_request_is_kept_whole) {
  DownloadQueue queue;
  queue.add(range(100, 100 + DownloadQueue::kMaxRequestChunks - 1), kNow);
  EXPECT_EQ(queue.outstanding(), DownloadQueue::kMaxRequestChunks);
  EXPECT_TRUE(queue.take(ChunkIndex{163}, true, kNow));
  EXPECT_EQ(queue.asked_at(ChunkIndex{164}), std::nullopt);
  EXPECT_EQ(queue.take_all(), std::vector{range(100, 162)});
}

TEST(DownloadQueueDeathTest, a_longer_request_is_our_own_bug) {
  DownloadQueue queue;
  EXPECT_DEATH(queue.add(range(0, DownloadQueue::kMaxRequestChunks), kNow), "request length");
}

// RFC 7574 3.7.
TEST(DownloadQueue, a_chunk_is_lost_when_as_many_later_ones_came_as_may_overtake_it) {
  DownloadQueue queue;
  queue.add(range(0, 31), kNow);
  const Time later = kNow + 1s;
  for (std::uint64_t i = 1; i < DownloadQueue::kReorder; ++i) queue.take(ChunkIndex{i}, true, later);
  EXPECT_TRUE(queue.take_lost(later).empty()) << "it may still come";
  queue.take(ChunkIndex{DownloadQueue::kReorder}, true, later);
  EXPECT_EQ(queue.take_lost(later), std::vector{range(0, 0)});
  EXPECT_EQ(queue.asked_at(ChunkIndex{0}), std::nullopt);
  EXPECT_TRUE(queue.take_lost(later).empty()) << "told once";
}

TEST(DownloadQueue, of_one_who_sends_in_order_any_later_answer_tells_once_jitter_is_over) {
  DownloadQueue queue;
  queue.add(range(0, 31), kNow);
  const Time later = kNow + 1s;
  for (const std::uint64_t i : {0U, 2U, 3U, 5U}) queue.take(ChunkIndex{i}, true, later);
  EXPECT_TRUE(queue.take_lost(later + 14ms, true).empty());
  EXPECT_TRUE(queue.take_lost(later + 15ms).empty()) << "of others more must have come";
  EXPECT_EQ(queue.take_lost(later + 15ms, true), (std::vector{range(1, 1), range(4, 4)}));
  queue.take(ChunkIndex{7}, true, later + 20ms);
  EXPECT_TRUE(queue.take_lost(later + 30ms, true).empty()) << "it has just come";
  EXPECT_EQ(queue.take_lost(later + 35ms, true), std::vector{range(6, 6)});
}

TEST(DownloadQueue, what_came_from_others_overtakes_nothing) {
  DownloadQueue queue;
  queue.add(range(0, 31), kNow);
  for (std::uint64_t i = 16; i < 32; ++i) queue.take(ChunkIndex{i}, false, kNow + 1s);
  EXPECT_TRUE(queue.take_lost(kNow + 1s).empty());
}

TEST(DownloadQueue, latency_is_about_the_shortest_lately) {
  DownloadQueue queue;
  Time now = kNow;
  const auto exchange = [&](Duration latency) {
    queue.add(range(0, 0), now);
    now += latency;
    queue.take(ChunkIndex{0}, true, now);
  };
  for (int i = 0; i < 10; ++i) exchange(i == 5 ? 40ms : 300ms);
  EXPECT_GE(queue.latency(), 40ms);
  EXPECT_LE(queue.latency(), 50ms);
  for (int i = 0; i < 500; ++i) exchange(300ms);
  EXPECT_GE(queue.latency(), 290ms) << "the path became longer";
  EXPECT_LE(queue.latency(), 300ms);
}

TEST(DownloadQueue, an_answer_to_what_was_given_up_and_asked_again_is_no_measure_of_the_path) {
  DownloadQueue queue;
  queue.add(range(0, 0), kNow);
  ASSERT_TRUE(queue.take(ChunkIndex{0}, true, kNow + 100ms));
  const Duration before = queue.latency();
  queue.add(range(1, 1), kNow + 1s);
  ASSERT_EQ(count(queue.take_late(kNow + 10s)), 1U);
  queue.add(range(1, 1), kNow + 10s);
  ASSERT_TRUE(queue.take(ChunkIndex{1}, true, kNow + 10s + 1ms)) << "it answers the first request";
  EXPECT_EQ(queue.latency(), before);
  queue.add(range(1, 1), kNow + 20s);
  ASSERT_TRUE(queue.take(ChunkIndex{1}, true, kNow + 20s + 50ms));
  EXPECT_EQ(queue.latency(), 50ms) << "that was long ago";
}

TEST(DownloadQueue, what_became_urgent_is_taken_out_of_the_middle) {
  DownloadQueue queue;
  queue.add(range(0, 31), kNow);
  queue.add(range(64, 95), kNow);
  queue.take(ChunkIndex{20}, true, kNow);
  EXPECT_EQ(queue.take_range(range(16, 70)), (std::vector{range(16, 19), range(21, 31), range(64, 70)}));
  EXPECT_TRUE(queue.take_range(range(16, 70)).empty());
  EXPECT_TRUE(queue.take_range(range(32, 63)).empty());
  EXPECT_EQ(queue.outstanding(), 16U + 25U);
  EXPECT_EQ(queue.take_range(range(0, 1'000'000)), (std::vector{range(0, 15), range(71, 95)}));
}

// ---- late -----------------------------------------------------------------------------------------------------------

// How long one chunk was waited for, looking each `step`.
Duration patience(DownloadQueue& queue, Time& now, Duration step = 10ms) {
  const Time asked = now;
  queue.add(range(7, 7), now);
  while (queue.take_late(now).empty()) now += step;
  return now - asked;
}

TEST(DownloadQueue, patience_doubles_while_nothing_comes_and_not_for_ever) {
  DownloadQueue queue;
  Time now = kNow;
  Duration last = patience(queue, now);
  EXPECT_GE(last, 150ms);
  EXPECT_LE(last, 500ms);
  int doublings = 0;
  for (int i = 0; i < 12; ++i) {
    const Duration next = patience(queue, now);
    EXPECT_GE(next, last - 10ms);
    EXPECT_LE(next, 2 * last + 10ms);
    if (next > last * 3 / 2) ++doublings;
    last = next;
  }
  EXPECT_EQ(doublings, 5);
}

TEST(DownloadQueue, an_answer_takes_the_doublings_back) {
  DownloadQueue queue;
  Time now = kNow;
  const Duration first = patience(queue, now);
  for (int i = 0; i < 4; ++i) patience(queue, now);
  queue.add(range(8, 8), now);
  queue.take(ChunkIndex{8}, true, now + 100ms);
  now += 100ms;
  EXPECT_LE(patience(queue, now), first);
}

// RFC 7574 3.7: answers come in the order of the requests.
TEST(DownloadQueue, while_other_answers_come_nothing_is_late) {
  DownloadQueue queue;
  Time now = kNow;
  std::uint64_t late = 0;
  std::uint64_t lost = 0;
  // One in ten never comes, the others take 50 ms.
  for (std::uint64_t index = 0; index < 300; ++index) {
    queue.add(range(index, index), now);
    now += 50ms;
    if (index % 10 != 0) queue.take(ChunkIndex{index}, true, now);
    late += count(queue.take_late(now));
    lost += count(queue.take_lost(now));
  }
  EXPECT_EQ(late, 0U);
  EXPECT_GE(lost, 29U) << "it is what came later that tells";
  EXPECT_LE(lost, 30U);
}

TEST(DownloadQueue, a_slow_peer_is_given_the_time_that_it_takes) {
  DownloadQueue queue;
  Time now = kNow;
  for (int i = 0; i < 100; ++i) {
    queue.add(range(0, 0), now);
    now += 900ms;
    queue.take(ChunkIndex{0}, true, now);
  }
  EXPECT_GE(patience(queue, now), 900ms);
}

TEST(DownloadQueue, an_answer_that_was_given_up_asks_for_more_patience) {
  DownloadQueue queue;
  Time now = kNow;
  const Duration before = patience(queue, now);
  for (int i = 0; i < 20; ++i) queue.take(ChunkIndex{7}, true, now);
  queue.add(range(8, 8), now);
  queue.take(ChunkIndex{8}, true, now + 100ms);   // no doublings
  EXPECT_GT(patience(queue, now), before);
}

// Whatever the peer's latency was: hearing from it late is no reason to hurry.
RC_GTEST_PROP(DownloadQueue, an_answer_that_was_not_waited_for_never_takes_patience_away, ()) {
  const Duration latency{*rc::gen::inRange(1'000, 10'000'000)};
  DownloadQueue queue;
  DownloadQueue other;
  Time now = kNow;
  for (int i = 0; i < 50; ++i, now += latency) {
    for (DownloadQueue* each : {&queue, &other}) {
      each->add(range(0, 0), now);
      each->take(ChunkIndex{0}, true, now + latency);
    }
  }
  for (int surprises = *rc::gen::inRange(1, 20); surprises > 0; --surprises) other.take(ChunkIndex{99}, true, now);
  Time same = now;
  RC_ASSERT(patience(other, same, 1ms) >= patience(queue, now, 1ms));
}

TEST(DownloadQueue, patience_with_answers_out_of_nowhere_ends) {
  DownloadQueue queue;
  Time now = kNow;
  for (int i = 0; i < 10'000; ++i) queue.take(ChunkIndex{99}, true, now);
  EXPECT_LE(patience(queue, now), 3s);
}

// ---- against a naive model ------------------------------------------------------------------------------------------

struct Asked {
  std::uint64_t index;
  std::uint64_t position;   // in the order of asking
  Time at;
  bool out = true;          // outstanding
};

class Model {
 public:
  void add(ChunkRange r, Time now) {
    for (std::uint64_t i = r.first.value(); i <= r.last.value(); ++i) asked_.push_back({i, asked_.size(), now});
  }
  Asked* find(std::uint64_t index) {
    const auto it = std::ranges::find_if(asked_, [&](const Asked& a) { return a.out && a.index == index; });
    return it == asked_.end() ? nullptr : &*it;
  }
  bool take(std::uint64_t index, bool from_this_peer) {
    Asked* asked = find(index);
    if (asked == nullptr) return false;
    asked->out = false;
    if (from_this_peer) furthest_ = std::max(furthest_, asked->position + 1);
    return true;
  }
  template <class Fn>
  std::vector<std::uint64_t> take_if(Fn goes) {
    std::vector<std::uint64_t> taken;
    for (Asked& a : asked_) {
      if (!a.out || !goes(a)) continue;
      a.out = false;
      taken.push_back(a.index);
    }
    return taken;
  }
  [[nodiscard]] bool overtaken(const Asked& a) const { return a.position + DownloadQueue::kReorder < furthest_; }
  [[nodiscard]] std::uint64_t outstanding() const {
    return static_cast<std::uint64_t>(std::ranges::count_if(asked_, [](const Asked& a) { return a.out; }));
  }
  [[nodiscard]] const std::vector<Asked>& all() const { return asked_; }

 private:
  std::vector<Asked> asked_;
  std::uint64_t furthest_ = 0;
};

std::vector<std::uint64_t> indices(const std::vector<ChunkRange>& ranges) {
  std::vector<std::uint64_t> all;
  for (const ChunkRange& r : ranges) {
    for (std::uint64_t i = r.first.value(); i <= r.last.value(); ++i) all.push_back(i);
  }
  return all;
}

// What take_late() gives up is its own choice within these bounds: nothing before the least patience or soon after an answer,
// oldest first.
void check_late(Model& model, const std::vector<std::uint64_t>& late, std::optional<Time> since, Time now) {
  if (!late.empty()) {
    RC_ASSERT(now - *since >= Duration{150'000});
  }
  for (const std::uint64_t index : late) {
    const Asked* asked = model.find(index);
    RC_ASSERT(asked != nullptr);
    RC_ASSERT(now - asked->at >= Duration{150'000});
    const auto older = [&](const Asked& a) { return a.out && a.at < asked->at && std::ranges::find(late, a.index) == late.end(); };
    RC_ASSERT(!std::ranges::any_of(model.all(), older));
  }
  model.take_if([&](const Asked& a) { return std::ranges::find(late, a.index) != late.end(); });
}

RC_GTEST_PROP(DownloadQueue, agrees_with_a_naive_model, ()) {
  DownloadQueue queue;
  Model model;
  Time now = kNow;
  const int steps = *rc::gen::inRange(0, 300);
  for (int step = 0; step < steps; ++step) {
    now += Duration{*rc::gen::inRange(0, 60'000)};
    const auto first = *rc::gen::inRange<std::uint64_t>(0, 400);
    switch (*rc::gen::inRange(0, 10)) {
      case 0:
      case 1:
      case 2: {
        // Only what is not outstanding is asked.
        std::uint64_t last = first;
        const auto most = *rc::gen::inRange<std::uint64_t>(1, DownloadQueue::kMaxRequestChunks + 1);
        if (model.find(first) != nullptr) break;
        while (last + 1 < first + most && model.find(last + 1) == nullptr) ++last;
        queue.add(range(first, last), now);
        model.add(range(first, last), now);
        break;
      }
      case 3:
      case 4:
      case 5:
      case 6: {
        const bool from_this_peer = *rc::gen::arbitrary<bool>();
        for (std::uint64_t i = first; i < first + 12; ++i)
          RC_ASSERT(queue.take(ChunkIndex{i}, from_this_peer, now) == model.take(i, from_this_peer));
        break;
      }
      case 7: {
        const Duration latency = queue.latency();
        RC_ASSERT(indices(queue.take_lost(now)) ==
                  model.take_if([&](const Asked& a) { return model.overtaken(a) && now - a.at >= latency; }));
        break;
      }
      case 8: {
        const auto since = queue.waiting_since();
        check_late(model, indices(queue.take_late(now)), since, now);
      } break;
      default: {
        const ChunkRange r = range(first, first + *rc::gen::inRange<std::uint64_t>(0, 200));
        RC_ASSERT(indices(queue.take_range(r)) == model.take_if([&](const Asked& a) { return r.contains(ChunkIndex{a.index}); }));
      }
    }
    RC_ASSERT(queue.outstanding() == model.outstanding());
    RC_ASSERT(queue.waiting_since().has_value() == (model.outstanding() > 0));
    const Asked* asked = model.find(first);
    RC_ASSERT(queue.asked_at(ChunkIndex{first}) == (asked ? std::optional{asked->at} : std::nullopt));
  }
  RC_ASSERT(indices(queue.take_all()) == model.take_if([](const Asked&) { return true; }));
  RC_ASSERT(queue.outstanding() == 0U);
}

// Nothing is waited for for ever: silence gives back all that was asked.
RC_GTEST_PROP(DownloadQueue, after_a_long_silence_everything_is_late, ()) {
  DownloadQueue queue;
  Time now = kNow;
  std::uint64_t asked = 0;
  for (int requests = *rc::gen::inRange(1, 40); requests > 0; --requests) {
    const auto chunks = *rc::gen::inRange<std::uint64_t>(1, 65);
    queue.add(range(asked, asked + chunks - 1), now);
    asked += chunks;
    now += Duration{*rc::gen::inRange(0, 20'000)};
  }
  RC_ASSERT(count(queue.take_late(now + 60s)) == asked);
  RC_ASSERT(queue.outstanding() == 0U);
}

}  // namespace
}  // namespace runnel::swarm
