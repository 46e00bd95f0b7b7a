#include "sim/run.hpp"

#include <gtest/gtest.h>

namespace runnel::sim {
namespace {

Scenario scenario(const std::string& name) {
  auto loaded = load_scenario(std::string{RUNNEL_SCENARIOS} + "/" + name + ".toml", {});
  EXPECT_TRUE(loaded.has_value()) << loaded.error();
  return *loaded;
}

Report run(Scenario what, std::uint64_t seed, unsigned threads = 1) { return sim::Run{std::move(what), seed, threads}.go(); }

TEST(SimulatedRun, the_same_seed_gives_the_same_trace_and_another_seed_another) {
  for (const char* name : {"mixed_file", "mixed_live"}) {
    for (const CryptoKind crypto : {CryptoKind::stand_in, CryptoKind::real}) {
      Scenario what = scenario(name);
      what.crypto = crypto;
      what.peers = 4;
      what.duration = std::min(what.duration, base::Duration{std::chrono::seconds{15}});
      const Report first = run(what, 11);
      const Report again = run(what, 11);
      EXPECT_EQ(first.trace_hash, again.trace_hash) << name;
      EXPECT_EQ(first.measures, again.measures) << name;
      EXPECT_NE(first.trace_hash, run(what, 12).trace_hash) << name;
    }
  }
}

TEST(SimulatedRun, threads_change_nothing) {
  Scenario what = scenario("live_push_60");
  what.live->measure_from = std::chrono::seconds{5};
  what.joins.over = std::chrono::seconds{3};
  what.duration = std::chrono::seconds{7};
  what.expectations.clear();
  what.churn.median_stay = std::chrono::seconds{4};
  const Report one = run(what, 4, 1);
  const Report three = run(what, 4, 3);
  EXPECT_EQ(one.trace_hash, three.trace_hash);
  EXPECT_EQ(one.measures, three.measures);
  EXPECT_GT(one.measure("later_joins"), 0);
}

TEST(SimulatedRun, looking_on_changes_nothing) {
  Scenario what = scenario("file_flash");
  what.file->bytes = 200'000;
  sim::Run watched{what, 5};
  std::size_t datagrams = 0;
  base::Time last;
  watched.simulation().add_tap([&](const Sent& sent) {
    ++datagrams;
    EXPECT_LE(last, sent.at);
    last = sent.at;
  });
  EXPECT_EQ(watched.go().trace_hash, run(what, 5).trace_hash);
  EXPECT_GT(datagrams, 200'000U / 1080);
}

// In a swarm of more viewers than anybody knows.
TEST(SimulatedRun, who_feeds_many_meets_strangers_on_the_way_to_the_source) {
  Scenario what = scenario("live_push_60");
  what.peers = 90;
  what.live->measure_from = std::chrono::seconds{12};
  what.duration = std::chrono::seconds{16};
  const Report report = run(what, 1);
  EXPECT_TRUE(report.broken.empty());
  EXPECT_GT(report.measure("push_introductions"), 0);
  EXPECT_GT(report.measure("push_introduced"), 0);
}

// The audit must see what it is there to see.
struct AuditTest : testing::Test {
  base::Bytes datagram(auto write) {
    base::Bytes bytes(1452);
    wire::Encoder encoder{bytes, truth.format()};
    write(encoder);
    bytes.resize(encoder.size());
    return bytes;
  }
  base::Bytes data(tree::ChunkIndex index, base::ByteView payload) {
    return datagram([&](wire::Encoder& e) {
      e.channel(wire::ChannelId{77});
      e.data(index, wire::NodeTimestamp{1}, payload);
    });
  }
  // So that bytes are owed to nobody.
  void prove() { audit.received(host, peer, base::Bytes(5000)); }
  void expect(const std::string& invariant) {
    ASSERT_EQ(audit.violations().size(), 1U);
    EXPECT_EQ(audit.violations()[0].invariant, invariant);
  }
  CryptoKit crypto{CryptoKind::stand_in, 1};
  FileTruth truth{10'000, 1080, crypto, base::Rng{1}};
  HostId host{3};
  Audit audit = [this] {
    Audit fresh{truth};
    fresh.begin(host);
    return fresh;
  }();
  base::Endpoint peer{base::IpAddress::v4({10, 0, 0, 9}), 6778};
  base::Time now{std::chrono::seconds{1}};
  tree::IntervalSet everything = [] {
    tree::IntervalSet set;
    set.insert({tree::ChunkIndex{0}, tree::ChunkIndex{9}});
    return set;
  }();
};

TEST_F(AuditTest, sees_false_data_leave) {
  prove();
  base::Bytes chunk = base::to_bytes(*truth.chunk(tree::ChunkIndex{2}));
  audit.sent(now, host, peer, data(tree::ChunkIndex{2}, chunk), everything);
  EXPECT_TRUE(audit.violations().empty());
  chunk[5] ^= std::byte{1};
  audit.sent(now, host, peer, data(tree::ChunkIndex{2}, chunk), everything);
  expect("no_false_data");
}

TEST_F(AuditTest, sees_data_leave_that_was_never_stored) {
  prove();
  audit.sent(now, host, peer, data(tree::ChunkIndex{2}, *truth.chunk(tree::ChunkIndex{2})), {});
  expect("data_was_stored");
}

TEST_F(AuditTest, sees_more_bytes_go_to_an_unproved_address_than_came_from_it) {
  audit.received(host, peer, base::Bytes(50));
  const base::Bytes answer = datagram([](wire::Encoder& e) {
    e.channel(wire::ChannelId{77});
    e.have({tree::ChunkIndex{0}, tree::ChunkIndex{9}});
    e.have({tree::ChunkIndex{0}, tree::ChunkIndex{9}});
    e.have({tree::ChunkIndex{0}, tree::ChunkIndex{9}});
  });
  audit.sent(now, host, peer, answer, everything);
  EXPECT_TRUE(audit.violations().empty());
  audit.sent(now, host, peer, answer, everything);
  expect("no_amplification");
}

TEST_F(AuditTest, sees_false_and_repeated_chunks_stored) {
  const base::Bytes chunk = base::to_bytes(*truth.chunk(tree::ChunkIndex{2}));
  const base::ByteView view = chunk;
  const tree::ChunkRun right{tree::ChunkIndex{2}, {&view, 1}};
  audit.stored(now, host, {kSwarm, {&right, 1}}, {});
  EXPECT_TRUE(audit.violations().empty());
  audit.stored(now, host, {kSwarm, {&right, 1}}, everything);
  expect("nothing_stored_twice");
  const tree::ChunkRun wrong{tree::ChunkIndex{3}, {&view, 1}};
  audit.stored(now, host, {kSwarm, {&wrong, 1}}, {});
  EXPECT_EQ(audit.violations().back().invariant, "no_unverified_chunk_stored");
}

TEST_F(AuditTest, sees_a_polluter_that_is_not_banned_and_too_many_channels) {
  audit.rejected(now, host, peer, 1, false);
  EXPECT_TRUE(audit.violations().empty());
  audit.rejected(now, host, peer, 1, false);
  expect("banned_within_two");
  swarm::SwarmState state;
  state.peers.resize(swarm::kMaxChannels + 1);
  audit.state(now, host, state, 0);
  EXPECT_EQ(audit.violations().back().invariant, "tables_are_bounded");
}

TEST(TruthNodeStore, tells_a_false_hash_from_a_true_one) {
  const CryptoKit crypto{CryptoKind::stand_in, 1};
  FileTruth truth{10'000, 1080, crypto, base::Rng{1}};
  TruthNodeStore store{truth.nodes(), false};
  const tree::Bin leaf = tree::Bin::leaf(tree::ChunkIndex{3});
  EXPECT_FALSE(store.get(leaf));
  store.put(leaf, *truth.nodes().get(leaf));
  EXPECT_EQ(store.get(leaf), truth.nodes().get(leaf));
  EXPECT_EQ(store.false_nodes(), 0U);
  store.put(leaf, crypto::Digest{32});
  EXPECT_EQ(store.false_nodes(), 1U);
}

TEST(Scenario, a_misspelt_key_is_named) {
  const auto loaded = load_scenario(std::string{RUNNEL_SCENARIOS} + "/file_flash.toml", {"path.los=0.1"});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_NE(loaded.error().find("path.los: no such key"), std::string::npos) << loaded.error();
}

TEST(Scenario, a_way_without_delay_is_an_error) {
  const auto loaded = load_scenario(std::string{RUNNEL_SCENARIOS} + "/file_flash.toml", {"path.delay_ms=0"});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_NE(loaded.error().find("path.delay_ms"), std::string::npos) << loaded.error();
}

TEST(Scenario, settings_go_over_the_file) {
  const auto loaded = load_scenario(std::string{RUNNEL_SCENARIOS} + "/file_flash.toml", {"path.loss=0.25", "file.bytes=1000"});
  ASSERT_TRUE(loaded.has_value()) << loaded.error();
  EXPECT_EQ(loaded->path.loss, 0.25);
  EXPECT_EQ(loaded->path.min_delay, std::chrono::milliseconds{10});
  EXPECT_EQ(loaded->file->bytes, 1000U);
}

}  // namespace
}  // namespace runnel::sim
