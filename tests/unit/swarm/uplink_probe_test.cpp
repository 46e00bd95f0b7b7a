#include "core/swarm/uplink_probe.hpp"

#include <gtest/gtest.h>

#include <set>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint32_t kBytes = 1108;

// A line and those whom trains over it reach; they answer 80 ms later.
struct Line {
  explicit Line(double bytes_per_second, std::uint32_t neighbours = 3) : capacity(bytes_per_second) {
    for (std::uint32_t i = 1; i <= neighbours; ++i) hood.add(PeerKey{i}, NodeTag{i}, now);
  }
  // What is sent now, as long as nobody is silent.
  std::optional<UplinkProbe::Departure> depart() {
    for (const auto& [peer, neighbour] : hood.all()) hood.heard(peer, now);
    return probe.tick(hood, now);
  }
  // Until nothing more is sent.
  void run() {
    for (const base::Time end = now + seconds{20}; now < end; now += milliseconds{20}) {
      const auto departure = depart();
      if (!departure) continue;
      lengths.push_back(departure->train.datagrams);
      asked.insert(departure->to);
      if (silent.contains(departure->to)) continue;
      const auto us = [&](unsigned datagrams) { return static_cast<std::uint32_t>(datagrams * kBytes / capacity * 1e6); };
      std::vector<unsigned> came;   // by their places
      for (unsigned i = 0; i < departure->train.datagrams; ++i) {
        if (chance.unit() >= loss) came.push_back(i);
      }
      now += milliseconds{80} + base::Duration{us(departure->train.datagrams - 1)};
      if (came.empty()) continue;
      const std::uint32_t told = departure->to == liar ? 10 : us(came.back() - came.front());
      probe.on_spread(departure->to, Spread{departure->train.number, static_cast<std::uint8_t>(came.size()), told}, now);
    }
  }
  double capacity;
  base::Time now{seconds{100}};
  Neighbourhood hood{base::Rng{1}};
  UplinkProbe probe{kBytes, 1000};
  std::vector<int> lengths;
  std::set<PeerKey> asked;
  std::set<PeerKey> silent;
  std::optional<PeerKey> liar;
  double loss = 0;   // beyond the line
  base::Rng chance{1};
};

TEST(UplinkProbe, trains_grow_until_they_can_be_timed) {
  Line weak{75'000};
  weak.run();
  EXPECT_EQ(weak.lengths, (std::vector{8, 8, 8}));
  EXPECT_NEAR(*weak.probe.rate(), 75'000, 1'000);
  EXPECT_FALSE(weak.probe.at_least());
  EXPECT_EQ(weak.asked.size(), 3U) << "each neighbour in its turn";

  Line strong{1'050'000};
  strong.run();
  EXPECT_EQ(strong.lengths, (std::vector{8, 32, 32, 32}));
  EXPECT_NEAR(*strong.probe.rate(), 1'050'000, 20'000);
  EXPECT_FALSE(strong.probe.at_least());

  Line fibre{100e6};
  fibre.run();
  EXPECT_EQ(fibre.lengths, (std::vector{8, 32, 64, 64, 64}));
  EXPECT_GT(*fibre.probe.rate(), 10e6);
  EXPECT_TRUE(fibre.probe.at_least());
}

TEST(UplinkProbe, one_liar_among_three_is_not_believed) {
  Line line{75'000};
  line.liar = PeerKey{2};
  line.run();
  EXPECT_NEAR(*line.probe.rate(), 75'000, 1'000);
}

TEST(UplinkProbe, what_is_lost_beyond_the_line_took_its_time_on_it) {
  double sum = 0;
  constexpr unsigned kRuns = 200;
  for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
    Line line{1'050'000};
    line.loss = 0.1;
    line.chance = base::Rng{seed};
    line.run();
    ASSERT_TRUE(line.probe.rate()) << "seed " << seed;
    EXPECT_NEAR(*line.probe.rate() / line.capacity, 1, 0.15) << "seed " << seed;
    sum += *line.probe.rate() / line.capacity / kRuns;
  }
  EXPECT_NEAR(sum, 1, 0.02) << "nine tenths, were only what came counted";
}

TEST(UplinkProbe, where_many_are_missing_the_line_may_have_dropped_them) {
  Line line{300'000};
  const auto departure = line.depart();
  ASSERT_TRUE(departure);
  line.now += milliseconds{200};
  EXPECT_TRUE(line.probe.on_spread(departure->to, Spread{departure->train.number, 5, 50'000}, line.now));
  EXPECT_NEAR(*line.probe.rate(), 4 * kBytes / 0.05, 1);
}

TEST(UplinkProbe, what_can_not_be_true_or_says_too_little_is_no_answer) {
  Line line{300'000};
  const auto told = [&](std::uint8_t datagrams, std::uint32_t us) {
    std::optional<UplinkProbe::Departure> departure;
    for (; !departure; line.now += milliseconds{20}) {
      departure = line.depart();
    }
    line.now += milliseconds{200};
    return line.probe.on_spread(departure->to, Spread{departure->train.number, datagrams, us}, line.now);
  };
  EXPECT_FALSE(told(8, 4'000'000'000)) << "longer than the train was on its way";
  EXPECT_FALSE(told(2, 100'000)) << "most of it was lost";
  EXPECT_TRUE(told(8, 100'000));
}

TEST(UplinkProbe, who_does_not_answer_is_not_waited_for_for_ever) {
  Line line{300'000};
  line.silent = {PeerKey{1}, PeerKey{3}};
  line.run();
  EXPECT_NEAR(*line.probe.rate(), 300'000, 3'000);

  Line alone{300'000, 1};
  alone.silent = {PeerKey{1}};
  alone.run();
  EXPECT_EQ(alone.lengths.size(), UplinkProbe::kMaxTrains);
  EXPECT_FALSE(alone.probe.rate());

  Line nobody{300'000, 0};
  nobody.run();
  EXPECT_TRUE(nobody.lengths.empty());
}

TEST(UplinkProbe, only_whom_it_asked_may_answer_and_once) {
  Line line{300'000};
  const auto departure = line.depart();
  ASSERT_TRUE(departure);
  line.now += milliseconds{100};
  const Spread answer{departure->train.number, 8, 50'000};
  EXPECT_FALSE(line.probe.on_spread(PeerKey{77}, answer, line.now));
  EXPECT_FALSE(line.probe.on_spread(departure->to, Spread{9, 8, 50'000}, line.now));
  EXPECT_FALSE(line.probe.on_spread(departure->to, answer, line.now + UplinkProbe::kPatience)) << "too late";
  EXPECT_TRUE(line.probe.on_spread(departure->to, Spread{answer.train, 255, 50'000}, line.now)) << "more than were sent count as these";
  EXPECT_NEAR(*line.probe.rate(), 7 * kBytes / 0.05, 1);
  EXPECT_FALSE(line.probe.on_spread(departure->to, answer, line.now));
}

TEST(UplinkProbe, one_train_more_when_asked_and_its_answer_replaces_the_oldest) {
  Line line{300'000};
  line.run();
  const std::size_t before = line.lengths.size();
  line.capacity = 150'000;
  for (int i = 0; i < 2; ++i) {
    EXPECT_NEAR(*line.probe.rate(), 300'000, 3'000) << i;
    line.probe.again();
    line.run();
  }
  EXPECT_EQ(line.lengths.size(), before + 2);
  EXPECT_NEAR(*line.probe.rate(), 150'000, 3'000);
}

TEST(TrainMeter, tells_how_far_apart_the_first_and_the_last_came) {
  TrainMeter meter;
  base::Time now{seconds{100}};
  for (int i = 0; i < 8; ++i, now += milliseconds{5}) {
    EXPECT_TRUE(meter.tick(now).empty());
    meter.on_train(PeerKey{1}, Train{7, 8}, now);
  }
  const auto answers = meter.tick(now);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers.front().first, PeerKey{1});
  EXPECT_EQ(answers.front().second, (Spread{7, 8, 35'000}));
  EXPECT_TRUE(meter.tick(now + seconds{1}).empty());
}

// Kernels stamp datagrams that come together out of order now and then: as -1 us that would be more than an hour.
TEST(TrainMeter, stamps_that_are_out_of_order_tell_no_long_way) {
  TrainMeter meter;
  const base::Time now{seconds{100}};
  for (const int us : {5, 0, 9, 4}) meter.on_train(PeerKey{1}, Train{7, 4}, now + base::Duration{us});
  const auto answers = meter.tick(now + milliseconds{1});
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers.front().second, (Spread{7, 4, 9}));
}

TEST(TrainMeter, answers_for_what_came_when_the_rest_is_lost_or_another_begins) {
  TrainMeter meter;
  base::Time now{seconds{100}};
  for (int i = 0; i < 5; ++i, now += milliseconds{5}) meter.on_train(PeerKey{1}, Train{7, 8}, now);
  EXPECT_TRUE(meter.tick(now).empty());
  now += TrainMeter::kQuiet;
  ASSERT_EQ(meter.tick(now).size(), 1U);
  meter.on_train(PeerKey{1}, Train{7, 8}, now);
  EXPECT_TRUE(meter.tick(now + seconds{1}).empty()) << "it was answered";
  meter.on_train(PeerKey{1}, Train{8, 2}, now);
  meter.on_train(PeerKey{1}, Train{8, 2}, now + milliseconds{3});
  EXPECT_TRUE(meter.tick(now + milliseconds{10}).empty()) << "no more often than that";
  const auto answers = meter.tick(now + TrainMeter::kInterval);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers.front().second, (Spread{8, 2, 3'000}));
}

TEST(TrainMeter, times_no_more_peers_than_its_limit) {
  TrainMeter meter;
  const base::Time now{seconds{100}};
  const auto all = [&](std::uint32_t peers) {
    for (std::uint32_t i = 0; i < peers; ++i) meter.on_train(PeerKey{i}, Train{1, 1}, now);
    return meter.tick(now).size();
  };
  EXPECT_EQ(all(2 * TrainMeter::kMaxPeers), TrainMeter::kMaxPeers);
  meter.forget(PeerKey{0});
  EXPECT_EQ(all(1), 1U);
}

// A source is the first whom everybody meets.
TEST(TrainMeter, has_room_for_others_once_it_has_answered) {
  TrainMeter meter;
  base::Time now{seconds{100}};
  for (std::uint32_t i = 0; i < 3 * TrainMeter::kMaxPeers; ++i, now += milliseconds{10}) {
    meter.on_train(PeerKey{i}, Train{1, 1}, now);
    EXPECT_EQ(meter.tick(now).size(), 1U) << i;
    meter.on_train(PeerKey{1000 + i}, Train{1, 0}, now);   // a train of nothing
  }
}

}  // namespace
}  // namespace runnel::swarm
