#include "core/swarm/store_batch.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <utility>

#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using test::range;
using tree::ChunkIndex;

// A byte of its own for each chunk, so that a view tells which chunk it is.
struct Memory {
  base::Bytes bytes = base::Bytes(100'000);
  [[nodiscard]] base::ByteView chunk(std::uint64_t index) const { return base::ByteView{bytes}.subspan(index, 1); }
};

TEST(StoreBatch, neighbours_make_one_run) {
  const Memory memory;
  StoreBatch batch;
  EXPECT_TRUE(batch.empty());
  EXPECT_TRUE(batch.runs().empty());
  for (std::uint64_t i = 40; i < 140; ++i) batch.add(ChunkIndex{i}, memory.chunk(i));
  EXPECT_FALSE(batch.empty());
  ASSERT_EQ(batch.runs().size(), 1U);
  EXPECT_EQ(batch.runs()[0].range(), range(40, 139));
}

TEST(StoreBatch, runs_stand_in_the_order_in_which_they_were_begun) {
  const Memory memory;
  StoreBatch batch;
  for (const std::uint64_t i : {50U, 10U, 51U, 30U, 11U, 52U}) batch.add(ChunkIndex{i}, memory.chunk(i));
  const auto runs = batch.runs();
  ASSERT_EQ(runs.size(), 3U);
  EXPECT_EQ(runs[0].range(), range(50, 52));
  EXPECT_EQ(runs[1].range(), range(10, 11));
  EXPECT_EQ(runs[2].range(), range(30, 30));
}

TEST(StoreBatch, eight_peers_that_send_at_once_make_eight_runs) {
  const Memory memory;
  StoreBatch batch;
  for (std::uint64_t i = 0; i < 100; ++i) {
    for (std::uint64_t peer = 0; peer < 8; ++peer) batch.add(ChunkIndex{peer * 1'000 + i}, memory.chunk(peer * 1'000 + i));
  }
  ASSERT_EQ(batch.runs().size(), 8U);
  for (std::uint64_t peer = 0; peer < 8; ++peer) EXPECT_EQ(batch.runs()[peer].range(), range(peer * 1'000, peer * 1'000 + 99));
}

TEST(StoreBatch, bytes_that_nobody_else_keeps_live_as_long_as_the_batch) {
  StoreBatch batch;
  for (std::uint64_t i = 0; i < 1'000; ++i) batch.add(ChunkIndex{i}, batch.keep(base::Bytes(4, std::byte(i % 251))));
  StoreBatch moved = std::exchange(batch, {});
  const auto runs = moved.runs();
  ASSERT_EQ(runs.size(), 1U);
  for (std::uint64_t i = 0; i < 1'000; ++i) EXPECT_TRUE(base::equal(runs[0].chunks[i], base::Bytes(4, std::byte(i % 251)))) << i;
}

RC_GTEST_PROP(StoreBatch, gives_back_every_chunk_once_under_its_index, ()) {
  const Memory memory;
  StoreBatch batch;
  std::map<std::uint64_t, int> added;
  // Up to a hundred peers in step, each with its own neighbours, and some chunks twice.
  const auto peers = *rc::gen::inRange<std::uint64_t>(1, 100);
  const auto order = *rc::gen::container<std::vector<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(0, peers));
  std::map<std::uint64_t, std::uint64_t> next;
  for (const std::uint64_t peer : order) {
    const std::uint64_t index = peer * 500 + next[peer]++;
    batch.add(ChunkIndex{index}, memory.chunk(index));
    ++added[index];
    if (*rc::gen::inRange(0, 10) != 0) continue;
    batch.add(ChunkIndex{index}, memory.chunk(index));
    ++added[index];
  }
  std::map<std::uint64_t, int> given;
  for (const tree::ChunkRun& run : batch.runs()) {
    for (std::size_t i = 0; i < run.chunks.size(); ++i) {
      const std::uint64_t index = run.first.value() + i;
      RC_ASSERT(run.chunks[i].data() == memory.chunk(index).data());
      ++given[index];
    }
  }
  RC_ASSERT(given == added);
}

}  // namespace
}  // namespace runnel::swarm
