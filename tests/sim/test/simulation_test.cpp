#include "sim/simulation.hpp"

#include <gtest/gtest.h>

#include "sim/clock.hpp"

namespace runnel::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

base::Time at(base::Duration d) { return base::Time{d}; }

// Remembers what came, and when.
struct Sink final : Host {
  explicit Sink(Place& at) : place(at) { place.attach(*this); }
  void receive(const Packet& packet) override {
    arrivals.push_back(place.now());
    first_bytes.push_back(std::to_integer<int>(packet.bytes[0]));
  }
  void wake() override { wakes.push_back(place.now()); }
  Place& place;
  std::vector<base::Time> arrivals;
  std::vector<int> first_bytes;
  std::vector<base::Time> wakes;
};

struct Pair {
  explicit Pair(std::uint64_t seed, const PathModel& path, const AccessModel& from = {}, const AccessModel& to = {})
      : simulation(seed), a(simulation.add_place(from)), b(simulation.add_place(to)), sink(b) {
    simulation.network().set_path(path);
  }
  void send(int number, std::size_t size = 100) {
    a.send(a.endpoint(), b.endpoint(), base::Bytes(size, static_cast<std::byte>(number)), false);
  }
  Simulation simulation;
  Place& a;
  Place& b;
  Sink sink;
};

PathModel plain(base::Duration delay) {
  PathModel path;
  path.min_delay = path.max_delay = delay;
  path.jitter = {};
  return path;
}

TEST(Network, a_datagram_takes_the_delay_of_its_path) {
  Pair pair{1, plain(milliseconds{40})};
  pair.send(1);
  pair.simulation.run_until(at(seconds{1}));
  EXPECT_EQ(pair.sink.arrivals, std::vector{at(milliseconds{40})});
}

TEST(Network, jitter_keeps_the_order_and_reordering_does_not) {
  for (const bool reorder : {false, true}) {
    PathModel path = plain(milliseconds{20});
    path.jitter = milliseconds{30};
    if (reorder) path.reorder = 0.2;
    Pair pair{7, path};
    for (int i = 0; i < 200; ++i) {
      pair.simulation.at(at(milliseconds{i}), [&pair, i] { pair.send(i % 200); });
    }
    pair.simulation.run_until(at(seconds{2}));
    ASSERT_EQ(pair.sink.first_bytes.size(), 200U);
    EXPECT_EQ(std::ranges::is_sorted(pair.sink.first_bytes), !reorder);
  }
}

TEST(Network, the_uplink_sends_at_its_rate_and_drops_at_the_tail_of_its_queue) {
  AccessModel slow;
  slow.up_rate = 100'000;
  slow.up_queue = 10'000;
  Pair pair{1, plain(milliseconds{10}), slow};
  for (int i = 0; i < 100; ++i) pair.send(i, 1000 - kIpAndUdpBytes);
  pair.simulation.run_until(at(seconds{2}));
  ASSERT_EQ(pair.sink.arrivals.size(), 10U);   // what the queue holds
  EXPECT_EQ(pair.simulation.network().counters().dropped, 90U);
  EXPECT_EQ(pair.sink.arrivals.front(), at(milliseconds{20}));
  EXPECT_EQ(pair.sink.arrivals.back(), at(milliseconds{110}));
}

TEST(Network, the_downlink_of_a_receiver_is_shared_by_its_senders) {
  AccessModel slow;
  slow.down_rate = 100'000;
  Pair pair{1, plain(milliseconds{10}), {}, slow};
  Place& third = pair.simulation.add_place({});
  for (int i = 0; i < 5; ++i) {
    pair.send(i, 1000 - kIpAndUdpBytes);
    third.send(third.endpoint(), pair.b.endpoint(), base::Bytes(1000 - kIpAndUdpBytes), false);
  }
  pair.simulation.run_until(at(seconds{2}));
  ASSERT_EQ(pair.sink.arrivals.size(), 10U);
  EXPECT_EQ(pair.sink.arrivals.back(), at(milliseconds{110}));
}

TEST(Network, losses_and_duplicates_come_in_the_shares_asked_for) {
  PathModel path = plain(milliseconds{1});
  path.loss = 0.1;
  path.duplicate = 0.05;
  Pair pair{3, path};
  constexpr int kSent = 20'000;
  for (int i = 0; i < kSent; ++i) pair.send(1);
  pair.simulation.run_until(at(seconds{1}));
  EXPECT_NEAR(static_cast<double>(pair.sink.arrivals.size()), kSent * 0.9 * 1.05, kSent * 0.01);
}

TEST(Network, bursts_lose_neighbours) {
  PathModel path = plain(milliseconds{1});
  path.burst = {0.01, 0.2, 1.0};
  Pair pair{3, path};
  constexpr int kSent = 20'000;
  for (int i = 0; i < kSent; ++i) pair.simulation.at(at(base::Duration{i * 10}), [&pair, i] { pair.send(i % 250); });
  pair.simulation.run_until(at(seconds{2}));
  const double lost = kSent - static_cast<double>(pair.sink.arrivals.size());
  EXPECT_NEAR(lost / kSent, 0.01 / 0.21, 0.01);
  int gaps = 0;
  for (std::size_t i = 1; i < pair.sink.first_bytes.size(); ++i)
    gaps += (pair.sink.first_bytes[i] - pair.sink.first_bytes[i - 1] + 250) % 250 != 1;
  EXPECT_NEAR(lost / gaps, 5, 1);   // 1 / leave
}

TEST(Network, islands_do_not_reach_each_other_until_they_heal) {
  Pair pair{1, plain(milliseconds{1})};
  pair.simulation.network().set_island(pair.b.id(), 1);
  pair.send(1);
  pair.simulation.run_until(at(seconds{1}));
  EXPECT_TRUE(pair.sink.arrivals.empty());
  pair.simulation.network().set_island(pair.b.id(), 0);
  pair.send(2);
  pair.simulation.run_until(at(seconds{2}));
  EXPECT_EQ(pair.sink.first_bytes, std::vector{2});
}

TEST(Simulation, a_host_wakes_once_at_the_last_time_it_asked_for) {
  Pair pair{1, plain(milliseconds{1})};
  pair.b.wake_at(at(milliseconds{500}));
  pair.b.wake_at(at(milliseconds{100}));
  pair.b.wake_at(at(milliseconds{300}));
  pair.simulation.run_until(at(seconds{1}));
  EXPECT_EQ(pair.sink.wakes, std::vector{at(milliseconds{300})});
}

TEST(Simulation, what_is_sent_from_an_action_and_between_two_runs_arrives) {
  Pair pair{1, plain(milliseconds{1})};
  pair.simulation.at(at(milliseconds{5}), [&pair] { pair.send(1); });
  pair.simulation.run_until(at(milliseconds{20}));
  pair.send(2);
  pair.simulation.run_until(at(milliseconds{30}));
  EXPECT_EQ(pair.sink.arrivals, (std::vector{at(milliseconds{6}), at(milliseconds{21})}));
}

TEST(Simulation, an_action_comes_before_what_happens_to_hosts_at_its_time) {
  Pair pair{1, plain(milliseconds{1})};
  pair.send(1);
  pair.simulation.at(at(milliseconds{1}), [&pair] { EXPECT_TRUE(pair.sink.arrivals.empty()); });
  pair.simulation.at(at(milliseconds{1}) + base::Duration{1}, [&pair] { EXPECT_EQ(pair.sink.arrivals.size(), 1U); });
  pair.simulation.run_until(at(milliseconds{20}));
}

TEST(Team, each_part_is_done_once) {
  Team team{3};
  for (const std::size_t count : {0U, 1U, 23U, 24U, 1000U}) {
    std::vector<int> done(count);
    team.each(count, [&](std::size_t i) { ++done[i]; });
    EXPECT_EQ(done, std::vector<int>(count, 1));
  }
}

TEST(HostClock, its_times_convert_there_and_back) {
  for (const std::int64_t drift : {-200, -1, 0, 3, 500}) {
    const HostClock clock{seconds{77'777}, drift, {}};
    base::Rng rng{static_cast<std::uint64_t>(drift + 1000)};
    for (int i = 0; i < 1000; ++i) {
      const base::Time t{base::Duration{static_cast<std::int64_t>(rng.below(10'000'000'000))}};
      const base::Time back = clock.global(clock.local(t));
      EXPECT_EQ(clock.local(back), clock.local(t));
      EXPECT_LE(back, t);
    }
  }
}

}  // namespace
}  // namespace runnel::sim
