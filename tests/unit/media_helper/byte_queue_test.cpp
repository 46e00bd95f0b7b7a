#include "media_helper/byte_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <future>
#include <numeric>
#include <thread>

namespace runnel::media_helper {
namespace {

using PushResult = ByteQueue::PushResult;

base::Bytes block(std::size_t size, unsigned value = 0) { return base::Bytes(size, static_cast<std::byte>(value)); }

TEST(ByteQueue, bytes_come_out_in_order_across_blocks) {
  ByteQueue queue;
  base::Bytes sent;
  for (unsigned i = 0; i < 50; ++i) {
    const base::Bytes next = block(i, i);
    sent.insert(sent.end(), next.begin(), next.end());
    EXPECT_EQ(queue.push(next), PushResult::ok);
  }
  queue.close();
  base::Bytes got;
  std::array<std::byte, 7> part{};
  while (const std::size_t size = queue.read(part)) got.insert(got.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(size));
  EXPECT_EQ(got, sent);
  EXPECT_FALSE(queue.error().has_value());
}

TEST(ByteQueue, a_full_queue_says_so_and_calls_when_half_of_it_was_read) {
  ByteQueue queue{1000};
  int calls = 0;
  queue.set_callbacks([&] { ++calls; }, nullptr);
  EXPECT_EQ(queue.push(block(999)), PushResult::ok);
  EXPECT_EQ(queue.push(block(10)), PushResult::full);
  std::array<std::byte, 300> part{};
  queue.read(part);
  EXPECT_EQ(calls, 0);
  queue.read(part);
  EXPECT_EQ(calls, 1);
  queue.read(part);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(queue.level_bytes(), 109U);
}

TEST(ByteQueue, a_reader_that_waits_is_woken_by_bytes_and_by_the_end) {
  ByteQueue queue;
  auto reader = std::async(std::launch::async, [&] {
    std::array<std::byte, 100> part{};
    std::vector<std::size_t> sizes;
    do sizes.push_back(queue.read(part));
    while (sizes.back() > 0);
    return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
  });
  queue.push(block(3));
  queue.push(block(4));
  queue.close_with_error("it broke");
  EXPECT_EQ(reader.get(), 7U);
  EXPECT_EQ(queue.error(), "it broke");
}

TEST(ByteQueue, the_first_reason_to_close_stays_and_nothing_is_taken_after) {
  ByteQueue queue;
  queue.close();
  queue.close_with_error("too late");
  EXPECT_FALSE(queue.error().has_value());
  EXPECT_EQ(queue.push(block(1)), PushResult::closed);
}

TEST(ByteQueue, abandoning_drops_what_waits_and_tells_the_server_once) {
  ByteQueue queue;
  int calls = 0;
  queue.set_callbacks(nullptr, [&] { ++calls; });
  queue.push(block(100));
  queue.abandon();
  queue.abandon();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(queue.level_bytes(), 0U);
  EXPECT_EQ(queue.push(block(1)), PushResult::closed);
}

TEST(ByteQueue, abandoning_after_the_end_tells_nobody) {
  ByteQueue queue;
  int calls = 0;
  queue.set_callbacks(nullptr, [&] { ++calls; });
  queue.close();
  queue.abandon();
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace runnel::media_helper
