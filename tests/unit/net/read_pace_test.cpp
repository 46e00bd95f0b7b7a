#include "net/read_pace.hpp"

#include <gtest/gtest.h>

namespace {

using namespace runnel;
using net::ReadPace;

constexpr base::Time kStart{std::chrono::hours{5}};

TEST(ReadPace, a_short_talk_waits_for_nothing) {
  ReadPace pace;
  base::Time now = kStart;
  for (int i = 0; i < ReadPace::kAtOnce; ++i, now += std::chrono::microseconds{200}) EXPECT_EQ(pace.after_read(now), base::Duration{}) << i;
}

TEST(ReadPace, who_reads_on_and_on_lets_datagrams_gather) {
  ReadPace pace;
  base::Time now = kStart;
  int reads = 0;
  for (; now < kStart + std::chrono::seconds{2}; ++reads) now += pace.after_read(now) + std::chrono::microseconds{100};
  EXPECT_LT(reads, std::chrono::seconds{2} / ReadPace::kGather + 2 * ReadPace::kAtOnce);
}

TEST(ReadPace, who_reads_seldom_never_waits) {
  ReadPace pace;
  base::Time now = kStart;
  for (int i = 0; i < 1000; ++i, now += ReadPace::kSeldom) EXPECT_EQ(pace.after_read(now), base::Duration{}) << i;
}

TEST(ReadPace, after_a_rest_some_are_read_at_once_again) {
  ReadPace pace;
  for (int i = 0; i < 100'000; ++i) (void)pace.after_read(kStart);
  base::Time now = kStart + 10 * ReadPace::kSeldom;
  for (int i = 0; i < 9; ++i) EXPECT_EQ(pace.after_read(now), base::Duration{}) << i;
  for (int i = 0; i < 2; ++i) now += pace.after_read(now);
  EXPECT_EQ(pace.after_read(now), ReadPace::kGather);
}

}  // namespace
