#include "media_helper/pacer.hpp"

#include <gtest/gtest.h>

namespace runnel::media_helper {
namespace {

using namespace std::chrono_literals;

const std::chrono::steady_clock::time_point kNow{1'000s};

TEST(Pacer, a_file_waits_for_its_time) {
  Pacer pacer{0s};
  EXPECT_LE(pacer.due(40ms, kNow), kNow);
  EXPECT_EQ(pacer.due(140ms, kNow), kNow + 100ms);
  EXPECT_EQ(pacer.due(240ms, kNow + 150ms), kNow + 200ms);
}

TEST(Pacer, a_publisher_whose_first_packets_came_late_is_not_held_back_for_it) {
  Pacer pacer{Pacer::kPublish};
  (void)pacer.due(0s, kNow + 1500ms);
  for (auto dts = 0ms; dts < 10s; dts += 33ms) EXPECT_LE(pacer.due(dts, kNow + std::max<base::Duration>(dts, 1500ms)), kNow + dts);
}

TEST(Pacer, a_publisher_that_sends_a_file_at_once_is_held_to_its_time) {
  Pacer pacer{Pacer::kPublish};
  (void)pacer.due(0s, kNow);
  EXPECT_EQ(pacer.due(60s, kNow), kNow + 55s);
}

TEST(Pacer, what_comes_much_too_late_sets_the_clock_anew) {
  Pacer pacer{0s};
  (void)pacer.due(0s, kNow);
  (void)pacer.due(1s, kNow + 12s);
  EXPECT_EQ(pacer.behind(), 0s);
  EXPECT_EQ(pacer.due(2s, kNow + 12s), kNow + 13s);
}

}  // namespace
}  // namespace runnel::media_helper
