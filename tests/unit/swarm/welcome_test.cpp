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

TEST(Welcome, who_is_many_waits_for_the_share) {
  EXPECT_EQ(Welcome::wait(0, 400), base::Duration{});
  EXPECT_EQ(Welcome::wait(60, 400), base::Duration{seconds{1}});
}

}  // namespace
}  // namespace runnel::swarm
