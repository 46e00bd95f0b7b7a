#include "core/swarm/welcome.hpp"

#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Welcome, newcomers_have_their_share_of_the_line_and_no_more) {
  constexpr double kPace = 400;
  Welcome welcome;
  base::Time now{seconds{100}};
  std::size_t first = 0;
  for (; welcome.turn(kPace, now); ++first) welcome.took();
  EXPECT_EQ(first, Welcome::kMost) << "who comes alone waits for nothing";
  std::size_t sent = 0;
  for (int i = 0; i < 10'000; ++i, now += milliseconds{1}) {
    if (!welcome.turn(kPace, now)) continue;
    welcome.took();
    ++sent;
  }
  EXPECT_NEAR(static_cast<double>(sent), 10 * kPace * Welcome::kShare, 2);
}

TEST(Welcome, who_comes_alone_waits_for_nothing_and_who_is_many_for_the_share) {
  constexpr double kSlow = 50;
  Welcome welcome;
  const base::Time now{seconds{100}};
  EXPECT_EQ(welcome.wait(Welcome::kChunks, kSlow, now), base::Duration{});
  const std::uint64_t crowd = static_cast<std::uint64_t>(Welcome::kMost) + 39;
  EXPECT_EQ(welcome.wait(crowd, 400, now), base::Duration{seconds{1}});
  EXPECT_EQ(welcome.wait(crowd, kSlow, now), base::Duration{seconds{8}});
}

}  // namespace
}  // namespace runnel::swarm
