#include "store/live_window.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "fixtures.hpp"

namespace runnel::store::test {
namespace {

ChunkIndex at(std::uint64_t i) { return ChunkIndex{i}; }

Bytes chunk_of(std::uint64_t index, std::size_t size) { return random_bytes(size, index + 1); }

TEST(LiveWindow, gives_back_chunks_of_any_length) {
  LiveWindow window;
  const std::uint64_t start = 1'700'000'000ULL * 8192;
  for (const std::size_t size : {1U, 1080U, 65'535U}) {
    EXPECT_EQ(window.put(at(start + size), chunk_of(size, size)), PutResult::stored);
  }
  for (const std::size_t size : {1U, 1080U, 65'535U}) {
    const auto got = window.get(at(start + size));
    ASSERT_TRUE(got);
    EXPECT_TRUE(base::equal(*got, chunk_of(size, size)));
  }
  EXPECT_FALSE(window.get(at(start + 2)));
  EXPECT_EQ(window.put(at(start + 1080), chunk_of(7, 5)), PutResult::duplicate);
  EXPECT_EQ(window.get(at(start + 1080))->size(), 1080U);
}

TEST(LiveWindow, refuses_empty_and_oversized_chunks) {
  LiveWindow window;
  EXPECT_EQ(window.put(at(1), {}), PutResult::too_large);
  EXPECT_EQ(window.put(at(1), Bytes(LiveWindow::kMaxChunkBytes + 1)), PutResult::too_large);
}

TEST(LiveWindow, finds_runs_across_blocks_and_gaps) {
  LiveWindow window;
  for (std::uint64_t i = 1000; i < 1400; ++i) {
    if (i != 1003 && i != 1200) window.put(at(i), chunk_of(i, 10));
  }
  EXPECT_EQ(window.run_around(at(1100)), (ChunkRange{at(1004), at(1199)}));
  EXPECT_EQ(window.run_around(at(1000)), (ChunkRange{at(1000), at(1002)}));
  EXPECT_EQ(window.run_around(at(1399)), (ChunkRange{at(1201), at(1399)}));
  EXPECT_FALSE(window.run_around(at(1200)));
  EXPECT_EQ(window.runs({at(1002), at(1300)}, 10),
            (std::vector<ChunkRange>{{at(1002), at(1002)}, {at(1004), at(1199)}, {at(1201), at(1300)}}));
  EXPECT_EQ(window.runs({at(0), at(5000)}, 2).size(), 2U);
  EXPECT_EQ(window.next(at(1200)), at(1201));
  EXPECT_FALSE(window.next(at(1400)));
}

TEST(LiveWindow, moves_with_the_newest_index) {
  LiveWindow window({.span_chunks = 1000});
  EXPECT_EQ(window.put(at(5000), chunk_of(1, 10)), PutResult::stored);
  EXPECT_EQ(window.put(at(4001), chunk_of(1, 10)), PutResult::stored);
  EXPECT_EQ(window.put(at(4000), chunk_of(1, 10)), PutResult::too_old);
  EXPECT_EQ(window.put(at(5001), chunk_of(1, 10)), PutResult::stored);
  EXPECT_FALSE(window.has(at(4001))) << "one step ahead drops the oldest";
  EXPECT_EQ(window.oldest(), at(5000));
  EXPECT_EQ(window.put(at(1'000'000'000), chunk_of(1, 10)), PutResult::stored);
  EXPECT_EQ(window.chunks(), 1U);
  EXPECT_EQ(window.payload_bytes(), 10U);
}

TEST(LiveWindow, stays_within_its_memory_and_drops_the_oldest_first) {
  LiveWindow window({.span_chunks = 1'000'000, .max_bytes = 1 << 20});
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    ASSERT_EQ(window.put(at(i), chunk_of(i, 1080)), PutResult::stored);
    ASSERT_LE(window.payload_bytes(), 1U << 20);
  }
  EXPECT_GT(window.payload_bytes(), (1U << 20) - 2 * 65'536);
  EXPECT_EQ(window.newest(), at(9999));
  EXPECT_EQ(window.run_around(at(9999)), (ChunkRange{*window.oldest(), at(9999)}));
  EXPECT_EQ(window.put(at(3), chunk_of(3, 10)), PutResult::too_old);
}

TEST(LiveWindow, a_minute_of_5_mbit_costs_little_more_than_its_bytes) {
  LiveWindow window;
  const std::uint64_t start = 1'700'000'000ULL * 8192 / 32 * 32;
  // 30 records a second, each from the munro of its time on: 19 chunks and a short one.
  for (std::uint64_t record = 0; record < 60 * 30; ++record) {
    const std::uint64_t first = start + record * 8192 / 30 / 32 * 32;
    for (std::uint64_t i = 0; i < 20; ++i) ASSERT_EQ(window.put(at(first + i), Bytes(i < 19 ? 1080 : 400)), PutResult::stored);
  }
  EXPECT_EQ(window.chunks(), 60U * 30 * 20);
  EXPECT_LT(window.memory_bytes(), window.payload_bytes() * 106 / 100);
}

RC_GTEST_PROP(LiveWindowProperty, behaves_as_a_map_that_forgets_what_is_old, ()) {
  constexpr std::uint64_t kSpan = 300;
  LiveWindow window({.span_chunks = kSpan, .max_bytes = 64ULL << 20});
  std::map<std::uint64_t, Bytes> model;
  std::uint64_t low = 0;
  const auto steps = *rc::gen::container<std::vector<std::pair<std::uint8_t, std::uint16_t>>>(
      rc::gen::pair(rc::gen::inRange<std::uint8_t>(0, 10), rc::gen::inRange<std::uint16_t>(0, 1500)));
  for (const auto& [action, number] : steps) {
    const std::uint64_t i = number;
    if (action == 0) {
      window.drop_before(at(i));
      low = std::max(low, i);
    } else {
      const Bytes bytes = chunk_of(i, 1 + i % 2000);
      const bool old = i < low || (!model.empty() && model.rbegin()->first >= i + kSpan);
      const PutResult expected = old ? PutResult::too_old : model.contains(i) ? PutResult::duplicate : PutResult::stored;
      RC_ASSERT(window.put(at(i), bytes) == expected);
      if (expected == PutResult::stored) {
        if ((model.empty() || i > model.rbegin()->first) && i >= kSpan) low = std::max(low, i - kSpan + 1);
        model[i] = bytes;
      }
    }
    model.erase(model.begin(), model.lower_bound(low));
    RC_ASSERT(window.chunks() == model.size());
    RC_ASSERT(window.oldest() == (model.empty() ? std::nullopt : std::optional{at(model.begin()->first)}));
    RC_ASSERT(window.newest() == (model.empty() ? std::nullopt : std::optional{at(model.rbegin()->first)}));
  }
  for (std::uint64_t i = 0; i < 1500; ++i) {
    const auto got = window.get(at(i));
    RC_ASSERT(got.has_value() == model.contains(i));
    if (got) RC_ASSERT(base::equal(*got, model[i]));
    if (!got) continue;
    std::uint64_t first = i, last = i;
    while (first > 0 && model.contains(first - 1)) --first;
    while (model.contains(last + 1)) ++last;
    RC_ASSERT((window.run_around(at(i)) == std::optional{ChunkRange{at(first), at(last)}}));
  }
}

}  // namespace
}  // namespace runnel::store::test
