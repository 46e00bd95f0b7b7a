#include "core/swarm/channel.hpp"

#include <gtest/gtest.h>

#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using base::Time;
using test::range;
using namespace std::chrono_literals;

const Time kNow{1'000s};

Channel channel_to(base::IpAddress address) { return {wire::ChannelId{7}, base::Endpoint{address, 7000}, true, wire::Format{}, kNow}; }

TEST(Channel, forgets_what_it_knew_of_uploads_when_nothing_was_asked_for_long) {
  Channel channel = channel_to(base::IpAddress::v4({192, 0, 2, 1}));
  EXPECT_FALSE(channel.uploads);
  channel.last_request = kNow;
  channel.begin_uploads().request(range(0, 9));
  channel.rest_uploads(kNow + 1h);
  ASSERT_TRUE(channel.uploads) << "somebody waits";
  channel.uploads->clear_requests();
  channel.rest_uploads(kNow + kUploadsRest - 1us);
  EXPECT_TRUE(channel.uploads);
  channel.rest_uploads(kNow + kUploadsRest);
  EXPECT_FALSE(channel.uploads);
}

TEST(Channel, keeps_its_uploads_while_chunks_are_being_loaded_or_are_on_their_way) {
  Channel channel = channel_to(base::IpAddress::v4({192, 0, 2, 1}));
  channel.last_request = kNow;
  channel.begin_uploads().request(range(0, 0));
  const auto burst = channel.uploads->next_burst();
  ASSERT_TRUE(burst);
  channel.rest_uploads(kNow + 1h);
  ASSERT_TRUE(channel.uploads) << "loading";
  channel.uploads->burst_done(*burst);
  channel.uploads->on_sent(burst->first, 1'100, kNow);
  channel.rest_uploads(kNow + 1h);
  ASSERT_TRUE(channel.uploads) << "on its way";
  channel.uploads->on_ack(*burst, 1'000, kNow + 1s);
  channel.rest_uploads(kNow + 1h);
  EXPECT_FALSE(channel.uploads);
}

TEST(Channel, uploads_to_this_machine_have_a_large_window) {
  Channel here = channel_to(base::IpAddress::v4({127, 0, 0, 1}));
  Channel there = channel_to(base::IpAddress::v4({192, 0, 2, 1}));
  EXPECT_GT(here.begin_uploads().ledbat().window(), 4 * there.begin_uploads().ledbat().window());
}

TEST(Channel, is_suspect_when_it_said_nothing_for_two_seconds_and_to_ten_datagrams) {
  Channel channel = channel_to(base::IpAddress::v4({192, 0, 2, 1}));
  channel.unanswered = kSuspectAfterDatagrams;
  EXPECT_FALSE(channel.suspect(kNow + kSuspectAfter));
  EXPECT_TRUE(channel.suspect(kNow + kSuspectAfter + 1us));
  --channel.unanswered;
  EXPECT_FALSE(channel.suspect(kNow + kSuspectAfter + 1us));
}

}  // namespace
}  // namespace runnel::swarm
