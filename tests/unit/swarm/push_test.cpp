#include "core/swarm/push.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kFirst = 1'700'000'000ULL * kLiveIndicesPerSecond / kPushMunroWidth;
constexpr unsigned kUsed = 18;
constexpr std::uint32_t kChunkBytes = 1140;

// A source, a viewer that it feeds and one that may be fed by either; 20 ms from one to another, nothing else in between.
struct Three {
  Three() {
    for (std::uint32_t i = 0; i < 3; ++i)
      nodes.push_back(std::make_unique<Push>(Push::Setup{NodeTag{i + 1}, i == 0, kChunkBytes}, base::Rng{i}, now));
    for (std::uint32_t i = 0; i < 3; ++i) {
      for (std::uint32_t j = 0; j < 3; ++j) {
        if (i != j) nodes[i]->add_peer(key(j), NodeTag{j + 1}, now);
      }
    }
  }
  static PeerKey key(std::size_t node) { return PeerKey{static_cast<std::uint32_t>(node) + 100}; }
  void publish() {
    const std::uint64_t munro = kFirst + static_cast<std::uint64_t>((now - start).count()) * 256 / 1'000'000;
    nodes[0]->on_proved(munro, kUsed, std::nullopt, now);
    for (unsigned leaf = 0; leaf < kUsed; ++leaf) nodes[0]->on_chunk(chunk_of(munro, leaf), std::nullopt, now);
    ++published;
  }
  void deliver(std::size_t from, std::size_t to, auto fn) {
    wires.push_back({now + milliseconds{20}, [this, from, to, fn] {
                       nodes[to]->heard(key(from), now);
                       fn(*nodes[to], key(from));
                     }});
  }
  void pump(std::size_t i) {
    Push& node = *nodes[i];
    node.tick(now);
    for (const PushOut& out : node.take_out()) {
      ++messages;
      deliver(i, out.to.value() - 100, [this, message = out.message](Push& to, PeerKey from) { to.on_message(from, message, now); });
    }
    while (const auto send = node.next_send(now)) {
      const std::size_t to = send->to.value() - 100;
      if (to == cut) continue;
      if (send->what == SendClass::bundle) {
        deliver(i, to, [this, munro = munro_number(send->index)](Push& peer, PeerKey from) {
          peer.on_proved(munro, kUsed, from, now);
          peer.on_bundle(munro, from, now);
        });
      } else {
        deliver(i, to, [this, to, index = send->index](Push& peer, PeerKey from) {
          ++received[to];
          peer.on_data(index, from, false, now);
          peer.on_chunk(index, from, now);
        });
      }
    }
  }
  void run(base::Duration time) {
    for (const base::Time end = now + time; now < end; now += milliseconds{1}) {
      if ((now - start) % milliseconds{66} == base::Duration{}) publish();
      while (!wires.empty() && wires.front().first <= now) {
        auto fn = std::move(wires.front().second);
        wires.pop_front();
        fn();
      }
      for (std::size_t i = 0; i < nodes.size(); ++i) pump(i);
    }
  }
  base::Time start{seconds{1000}};
  base::Time now = start;
  std::vector<std::unique_ptr<Push>> nodes;
  std::deque<std::pair<base::Time, std::function<void()>>> wires;
  std::array<std::uint64_t, 3> received{};
  std::uint64_t published = 0;
  std::uint64_t messages = 0;
  std::size_t cut = 99;
};

TEST(Push, everyone_gets_every_chunk_once) {
  Three net;
  net.run(seconds{2});
  for (std::size_t i = 1; i < 3; ++i) {
    EXPECT_TRUE(net.nodes[i]->trees().attached()) << i;
    for (std::size_t tree = 0; tree < kSubstreams; ++tree) EXPECT_TRUE(net.nodes[i]->trees().fed(tree, net.now)) << i << " " << tree;
  }
  const auto before = net.received;
  const std::uint64_t published = net.published;
  net.run(seconds{5});
  for (std::size_t i = 1; i < 3; ++i) {
    EXPECT_NEAR(static_cast<double>(net.received[i] - before[i]), static_cast<double>((net.published - published) * kUsed), kUsed * 2) << i;
  }
}

TEST(Push, who_feeds_or_is_fed_or_chosen_is_engaged_and_who_fell_silent_is_not) {
  Three net;
  EXPECT_FALSE(net.nodes[1]->engaged(PeerKey{7}, net.now)) << "not known";
  net.run(seconds{2});
  EXPECT_TRUE(net.nodes[1]->engaged(Three::key(0), net.now));
  EXPECT_TRUE(net.nodes[0]->engaged(Three::key(1), net.now));
  Push alone{Push::Setup{NodeTag{1}, false, kChunkBytes}, base::Rng{1}, net.now};
  alone.add_peer(PeerKey{200}, NodeTag{200}, net.now);
  for (const base::Time end = net.now + seconds{20}; net.now < end; net.now += milliseconds{20}) {
    alone.tick(net.now);
    static_cast<void>(alone.take_out());
  }
  EXPECT_FALSE(alone.engaged(PeerKey{200}, net.now)) << "it never said anything";
}

TEST(Push, what_a_parent_failed_to_send_is_asked_for) {
  Three net;
  net.run(seconds{3});
  net.cut = 2;   // nothing that is sent to it arrives for a moment
  net.run(milliseconds{100});
  net.cut = 99;
  net.run(seconds{1});
  const std::uint64_t span = net.published * kUsed;
  EXPECT_GT(net.received[2] + 3 * kUsed, span - 45 * kUsed) << "but for its first three seconds";
  EXPECT_TRUE(net.nodes[2]->trees().attached());
}

TEST(Push, who_may_not_upload_feeds_nobody) {
  Three net;
  net.nodes[1]->set_upload(false, 0);
  net.run(seconds{3});
  EXPECT_EQ(net.nodes[1]->trees().children(), 0U);
  EXPECT_EQ(net.nodes[1]->trees().room(), 0U);
  EXPECT_TRUE(net.nodes[2]->trees().attached());
}

TEST(Push, a_peer_that_goes_leaves_nothing_behind) {
  Three net;
  net.run(seconds{3});
  ASSERT_GT(net.nodes[0]->trees().children(), 0U);
  net.nodes[0]->remove_peer(Three::key(1));
  net.nodes[0]->remove_peer(Three::key(2));
  EXPECT_EQ(net.nodes[0]->trees().children(), 0U);
  EXPECT_FALSE(net.nodes[0]->knows(Three::key(1)));
  net.run(milliseconds{500});
}

TEST(Push, whoever_has_more_to_send_than_time_says_that_he_is_busy) {
  Push source{{NodeTag{1}, true, kChunkBytes}, base::Rng{1}, base::Time{seconds{1000}}};
  const base::Time now{seconds{1000}};
  for (std::uint32_t i = 2; i < 30; ++i) source.add_peer(PeerKey{i}, NodeTag{i}, now);
  for (std::uint32_t i = 2; i < 4; ++i) {
    for (std::uint8_t tree = 0; tree < kSubstreams; ++tree) source.on_message(PeerKey{i}, Subscribe{tree, 8}, now);
  }
  for (std::uint64_t munro = kFirst; munro < kFirst + 4; ++munro) {
    source.on_proved(munro, 32, std::nullopt, now);
    for (unsigned leaf = 0; leaf < 32; ++leaf) source.on_chunk(chunk_of(munro, leaf), std::nullopt, now);
  }
  static_cast<void>(source.take_out());
  source.on_message(PeerKey{10}, Nack{{{{kFirst, false, 1}}}}, now);
  const auto out = source.take_out();
  ASSERT_EQ(out.size(), 1U);
  const auto* busy = std::get_if<Busy>(&out[0].message);
  ASSERT_NE(busy, nullptr);
  EXPECT_EQ(busy->map.entries[0].munro, kFirst);
  EXPECT_GT(busy->queue_ms, 15);
}

// Were the least of what a neighbour may say of our line believed, nobody would see anything any more.
TEST(Push, a_source_goes_on_whatever_is_said_of_its_line) {
  base::Time now{seconds{1000}};
  Push source{{NodeTag{1}, true, kChunkBytes}, base::Rng{1}, now};
  source.add_peer(PeerKey{2}, NodeTag{2}, now);
  for (std::uint8_t tree = 0; tree < kSubstreams; ++tree) source.on_message(PeerKey{2}, Subscribe{tree, 8}, now);
  std::uint64_t wire = 0;
  std::size_t left = 0;
  std::uint64_t published = 0;
  for (int ms = 0; ms < 10'000; ++ms, now += milliseconds{1}) {
    if (ms % 66 == 0) {
      const std::uint64_t munro = kFirst + static_cast<std::uint64_t>(ms) * 256 / 1000;
      source.on_proved(munro, kUsed, std::nullopt, now);
      for (unsigned leaf = 0; leaf < kUsed; ++leaf) source.on_chunk(chunk_of(munro, leaf), std::nullopt, now);
      published += kUsed;
    }
    source.heard(PeerKey{2}, now);
    wire += 20;   // control, 20 kB/s of it
    source.on_wire(wire, now);
    source.tick(now);
    for (const PushOut& out : source.take_out()) {
      const auto* train = std::get_if<Train>(&out.message);
      if (train != nullptr) source.on_message(PeerKey{2}, Spread{train->number, train->datagrams, 900'000}, now + milliseconds{950});
    }
    while (const auto send = source.next_send(now)) {
      wire += kChunkBytes;
      left += send->what != SendClass::bundle;
    }
  }
  EXPECT_GT(left, published / 2);
}

TEST(Push, messages_of_strangers_and_hearsay_from_afar_change_nothing) {
  Push viewer{{NodeTag{1}, false, kChunkBytes}, base::Rng{1}, base::Time{seconds{1000}}};
  const base::Time now{seconds{1000}};
  viewer.on_message(PeerKey{5}, Subscribe{0, 200}, now);
  viewer.on_message(PeerKey{5}, Nack{{{{1, true, 0}}}}, now);
  EXPECT_TRUE(viewer.take_out().empty());
  viewer.add_peer(PeerKey{5}, NodeTag{5}, now);
  viewer.on_proved(kFirst, kUsed, PeerKey{5}, now);
  viewer.on_chunk(chunk_of(kFirst, 0), PeerKey{5}, now);
  viewer.on_have(PeerKey{5}, {{{kFirst + 1'000'000, true, 0}}}, now);
  for (base::Time t = now; t < now + milliseconds{200}; t += milliseconds{10}) viewer.tick(t);
  for (const PushOut& out : viewer.take_out()) EXPECT_FALSE(std::holds_alternative<Nack>(out.message));
}

// A source with so many munros published and two children in each tree, to whom nothing has left yet.
Push loaded_source(unsigned munros, base::Time now) {
  Push source{{NodeTag{1}, true, kChunkBytes}, base::Rng{1}, now};
  for (std::uint32_t i = 2; i < 30; ++i) source.add_peer(PeerKey{i}, NodeTag{i}, now);
  for (std::uint32_t i = 2; i < 4; ++i) {
    for (std::uint8_t tree = 0; tree < kSubstreams; ++tree) source.on_message(PeerKey{i}, Subscribe{tree, 8}, now);
  }
  for (std::uint64_t munro = kFirst; munro < kFirst + munros; ++munro) {
    source.on_proved(munro, 32, std::nullopt, now);
    for (unsigned leaf = 0; leaf < 32; ++leaf) source.on_chunk(chunk_of(munro, leaf), std::nullopt, now);
  }
  static_cast<void>(source.take_out());
  return source;
}

TEST(Push, what_is_pulled_waits_behind_all_else_and_is_refused_when_that_takes_long) {
  const base::Time now{seconds{1000}};
  Push source = loaded_source(1, now - seconds{5});
  const tree::ChunkRange part{chunk_of(kFirst, 4), chunk_of(kFirst, 5)};
  source.on_request(PeerKey{10}, part, now);
  EXPECT_TRUE(source.take_out().empty());
  std::vector<SendClass> order;
  for (base::Time t = now; t < now + seconds{1}; t += milliseconds{1}) {
    while (const auto send = source.next_send(t)) order.push_back(send->what);
  }
  ASSERT_EQ(order.size(), 2U * 32 + 2);
  EXPECT_EQ(std::ranges::count(order, SendClass::pull), 2);
  EXPECT_EQ(order.back(), SendClass::pull);

  Push busy = loaded_source(8, now - seconds{5});
  busy.on_request(PeerKey{10}, part, now);
  const auto out = busy.take_out();
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(std::get<Busy>(out[0].message).map, (MunroMap{{{kFirst, false, 3U << 4}}}));
}

// Until a record is whole a newcomer plays nothing. But a crowd of them gets a share of the line, and who would wait long asks others.
TEST(Push, what_newcomers_begin_with_goes_ahead_as_far_as_it_has_a_share) {
  const base::Time now{seconds{1000}};
  Push source = loaded_source(8, now);
  const tree::ChunkRange munro{chunk_of(kFirst, 0), chunk_of(kFirst, kPushMunroWidth - 1)};
  for (std::uint32_t i = 10; i < 20; ++i) source.on_request(PeerKey{i}, munro, now);
  std::size_t refused = 0;
  for (const PushOut& out : source.take_out()) {
    for (const MunroMap::Entry& entry : std::get<Busy>(out.message).map.entries)
      refused += static_cast<std::size_t>(std::popcount(entry.chunks));
  }
  std::map<PeerKey, std::size_t> welcomed;
  std::size_t others = 0;
  const auto send_all = [&](base::Time from, base::Time until) {
    for (base::Time t = from; t < until; t += milliseconds{1}) {
      while (const auto send = source.next_send(t)) {
        if (send->what == SendClass::welcome)
          ++welcomed[send->to];
        else if (send->what != SendClass::bundle)
          ++others;
      }
    }
  };
  send_all(now, now + milliseconds{30});
  EXPECT_EQ(others, 0U) << "they go ahead";
  send_all(now + milliseconds{30}, now + milliseconds{500});
  std::size_t sent = 0;
  for (const auto& [peer, chunks] : welcomed) {
    EXPECT_LE(chunks, Welcome::kChunks);
    sent += chunks;
  }
  EXPECT_EQ(sent + refused, 10U * kPushMunroWidth);
  EXPECT_GT(sent, Welcome::kChunks);
  EXPECT_LT(sent, 5U * Welcome::kChunks) << "what is saved up, and a quarter of a second of the share";
  EXPECT_GT(others, 0U);
  source.on_request(PeerKey{25}, munro, now + seconds{1});
  EXPECT_EQ(source.next_send(now + seconds{1}).value().what, SendClass::welcome) << "a second later there is room for another";
}

// Records are up to a group of pictures old when somebody comes, and that may be longer than those who watch wait for a chunk.
TEST(Push, what_a_newcomer_begins_with_is_never_too_old) {
  base::Time now{seconds{1000}};
  Push viewer{{NodeTag{1}, false, kChunkBytes}, base::Rng{1}, now};
  viewer.add_peer(PeerKey{2}, NodeTag{2}, now);
  viewer.on_proved(kFirst, 32, PeerKey{2}, now);
  for (unsigned leaf = 0; leaf < 32; ++leaf) viewer.on_chunk(chunk_of(kFirst, leaf), PeerKey{2}, now);
  now += seconds{4};
  viewer.add_peer(PeerKey{3}, NodeTag{3}, now);
  viewer.on_request(PeerKey{3}, {chunk_of(kFirst, 0), chunk_of(kFirst, 3)}, now);
  std::size_t sent = 0;
  for (base::Time t = now; t < now + seconds{1}; t += milliseconds{1}) {
    while (const auto send = viewer.next_send(t)) sent += send->what == SendClass::welcome;
  }
  EXPECT_EQ(sent, 4U);
}

TEST(Push, a_request_is_looked_at_so_far) {
  const base::Time now{seconds{1000}};
  Push source = loaded_source(1, now);
  source.on_request(PeerKey{10}, {tree::ChunkIndex{0}, tree::ChunkIndex{~std::uint64_t{0} - 1}}, now);
  source.on_cancel(PeerKey{10}, {tree::ChunkIndex{0}, tree::ChunkIndex{~std::uint64_t{0} - 1}});
  std::size_t pulled = 0;
  for (base::Time t = now; t < now + seconds{1}; t += milliseconds{1}) {
    while (const auto send = source.next_send(t)) pulled += send->what == SendClass::pull;
  }
  EXPECT_EQ(pulled, 0U) << "what was taken back is as much as was looked at";
}

TEST(Push, who_has_much_to_send_takes_no_more_children) {
  const base::Time now{seconds{1000}};
  Push source = loaded_source(16, now);
  source.on_message(PeerKey{10}, Subscribe{3, 200}, now);   // stronger than those who are there
  const auto out = source.take_out();
  ASSERT_EQ(out.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Refuse>(out[0].message));
}

TEST(Push, a_nack_that_crossed_the_chunk_on_its_way_is_not_answered_again) {
  const base::Time now{seconds{1000}};
  Push source = loaded_source(1, now);
  std::optional<Send> first;
  for (base::Time t = now; t < now + seconds{1}; t += milliseconds{1}) {
    while (const auto send = source.next_send(t)) first = first ? first : send;
  }
  ASSERT_TRUE(first);
  const Nack nack{{{{kFirst, false, std::uint32_t{1} << leaf_of(first->index)}}}};
  source.on_message(first->to, nack, now + milliseconds{20});
  EXPECT_FALSE(source.next_send(now + seconds{1}));
  source.on_message(first->to, nack, now + milliseconds{400});   // after any round trip: it was lost
  EXPECT_TRUE(source.next_send(now + seconds{1}));
}

TEST(Push, one_peer_gets_so_much_repaired_at_a_time) {
  constexpr unsigned kMunros = 6;
  base::Time now{seconds{1000}};
  Push source = loaded_source(kMunros, now);
  std::size_t repaired = 0;
  const auto drain = [&](base::Duration time) {
    std::size_t count = 0;
    for (const base::Time end = now + time; now < end; now += milliseconds{1}) {
      while (source.next_send(now)) ++count;
    }
    return count;
  };
  drain(seconds{2});
  for (std::uint64_t munro = kFirst; munro < kFirst + kMunros; ++munro) {
    source.on_message(PeerKey{10}, Nack{{{{munro, false, ~std::uint32_t{0}}}}}, now);
    repaired += drain(milliseconds{100});
  }
  EXPECT_GE(static_cast<double>(repaired), Neighbour::kMaxCredit);
  EXPECT_LE(static_cast<double>(repaired), Neighbour::kMaxCredit + 0.1 * kMunros * Neighbour::kCreditPerSecond);
}

TEST(Push, who_has_little_to_give_tells_half_as_often_what_it_holds) {
  const base::Time now{seconds{1000}};
  const auto haves = [&](bool source) {
    Push node{{NodeTag{1}, source, kChunkBytes}, base::Rng{1}, now};
    node.add_peer(PeerKey{5}, NodeTag{5}, now);
    node.on_proved(kFirst, kUsed, std::nullopt, now);
    node.on_chunk(chunk_of(kFirst, 0), std::nullopt, now);
    std::size_t told = 0;
    for (base::Time t = now; t < now + seconds{4}; t += milliseconds{10}) {
      node.tick(t);
      for (const PushOut& out : node.take_out()) told += std::holds_alternative<HaveMap>(out.message);
    }
    return told;
  };
  const auto often = haves(true);
  EXPECT_GE(often, 19U);
  EXPECT_LE(haves(false), often / 2 + 1) << "no slots yet";
}

TEST(Push, whom_we_meet_is_told_what_is_here_chunk_by_chunk) {
  const base::Time now{seconds{1000}};
  Push node{{NodeTag{1}, true, kChunkBytes}, base::Rng{1}, now};
  node.add_peer(PeerKey{5}, NodeTag{5}, now);
  node.greet(PeerKey{5}, std::nullopt, true, now);
  EXPECT_TRUE(node.take_out().empty()) << "nothing is here";
  std::vector<std::uint64_t> all;
  for (std::uint64_t i = 0; i < 100; ++i) {   // one each 62 ms
    all.push_back(kFirst + 16 * i);
    node.on_proved(all.back(), 1, std::nullopt, now);
    node.on_chunk(chunk_of(all.back(), 0), std::nullopt, now);
  }
  const auto greet = [&](bool newcomer, std::optional<std::uint64_t> beginning = std::nullopt) {
    node.greet(PeerKey{5}, beginning, newcomer, now);
    const std::vector<PushOut> out = node.take_out();
    EXPECT_TRUE(!out.empty() && std::holds_alternative<Advert>(out[0].message)) << "and whether it is a parent";
    std::vector<std::uint64_t> told;
    for (std::size_t i = 1; i < out.size(); ++i) {
      for (const MunroMap::Entry& entry : std::get<HaveMap>(out[i].message).map.entries) {
        EXPECT_EQ(entry, (MunroMap::Entry{entry.munro, false, 1}));
        told.push_back(entry.munro);
      }
    }
    return told;
  };
  EXPECT_EQ(greet(true), all);
  EXPECT_EQ(greet(false), std::vector(all.end() - 49, all.end())) << "the last three seconds";
  EXPECT_EQ(greet(true, all[60]), std::vector(all.begin() + 60, all.end())) << "where it may begin";
  EXPECT_EQ(greet(false, all[10]), greet(false)) << "others have told it what is older";
  node.set_upload(false, 0);
  EXPECT_TRUE(greet(true).empty());
}

TEST(Push, who_gives_nothing_says_so_and_is_given_last) {
  const base::Time now{seconds{1000}};
  Push viewer{{NodeTag{2}, false, kChunkBytes}, base::Rng{1}, now};
  viewer.add_peer(PeerKey{5}, NodeTag{5}, now);
  viewer.on_proved(kFirst, kUsed, PeerKey{5}, now);
  const auto uplink = [&](bool upload) {
    viewer.set_upload(upload, 0);
    viewer.greet(PeerKey{5}, std::nullopt, false, now);
    return std::get<Advert>(viewer.take_out().at(0).message).uplink;
  };
  EXPECT_EQ(uplink(true), 1) << "not known yet";
  EXPECT_EQ(uplink(false), 0);

  Push source = loaded_source(1, now);
  for (base::Time t = now; t < now + seconds{1}; t += milliseconds{1}) {
    while (source.next_send(t)) {
    }
  }
  const auto repaired_as = [&](std::uint32_t peer, std::uint16_t uplink) {
    Advert advert;
    advert.uplink = uplink;
    source.on_message(PeerKey{peer}, advert, now + seconds{1});
    source.on_message(PeerKey{peer}, Nack{{{{kFirst, false, 1}}}}, now + seconds{1});
    return source.next_send(now + seconds{1}).value().what;
  };
  EXPECT_EQ(repaired_as(10, 1), SendClass::repair);
  EXPECT_EQ(repaired_as(11, 0), SendClass::spare);
}

TEST(Push, in_a_swarm_of_many_newcomers_whom_we_do_not_feed_are_repaired_last) {
  const base::Time now{seconds{1000}};
  Push source = loaded_source(1, now);
  const auto repaired_as = [&](std::uint32_t peer, base::Time at) {
    source.tick(at);
    Advert advert;
    advert.uplink = 256;
    source.on_message(PeerKey{peer}, advert, at);
    source.on_message(PeerKey{peer}, Nack{{{{kFirst, false, 1}}}}, at);
    const auto send = source.next_send(at);
    return send ? send->what : SendClass::bundle;
  };
  for (base::Time t = now; t < now + seconds{1}; t += milliseconds{1}) {
    while (source.next_send(t)) {
    }
  }
  const base::Time later = now + 2 * Neighbourhood::kNewcomer;
  source.add_peer(PeerKey{51}, NodeTag{51}, later);
  EXPECT_EQ(repaired_as(51, later), SendClass::spare);
  EXPECT_EQ(repaired_as(20, later + milliseconds{200}), SendClass::repair) << "it was there before";
  for (std::uint32_t i = 2; i < 20; ++i) source.remove_peer(PeerKey{i});
  EXPECT_EQ(repaired_as(51, later + milliseconds{400}), SendClass::repair) << "among few nobody waits";
  for (std::uint32_t i = 60; i < 80; ++i) source.add_peer(PeerKey{i}, NodeTag{i}, now);
  EXPECT_EQ(repaired_as(51, later + milliseconds{600}), SendClass::spare);
  EXPECT_EQ(repaired_as(51, later + Neighbourhood::kNewcomer), SendClass::repair) << "no newcomer any more";
}

TEST(Push, pull_costs_the_least_where_much_is_held_and_little_waits) {
  const base::Time now{seconds{1000}};
  Push node{{NodeTag{1}, false, kChunkBytes}, base::Rng{1}, now};
  const auto add = [&](std::uint32_t id, std::uint16_t uplink, std::uint8_t queue, std::uint8_t lag) {
    node.add_peer(PeerKey{id}, NodeTag{id}, now);
    Advert advert;
    advert.uplink = uplink;
    advert.queue = queue;
    advert.lag.fill(lag);
    node.on_message(PeerKey{id}, advert, now);
  };
  add(1, 256, 0, 20);
  add(2, 256, 50, 20);
  add(3, 64, 0, 20);
  add(4, 256, 0, 0);   // the source
  const double price = node.pull_price(PeerKey{1}, 0, 18);
  EXPECT_LT(price, node.pull_price(PeerKey{2}, 0, 18));
  EXPECT_LT(price, node.pull_price(PeerKey{3}, 0, 18));
  EXPECT_LT(price, node.pull_price(PeerKey{4}, 0, 18));
  EXPECT_LT(price, node.pull_price(PeerKey{1}, 20, 18));
  EXPECT_LT(price, node.pull_price(PeerKey{1}, 0, 1)) << "each part of a munro comes with a proof";
  EXPECT_LT(price, node.pull_price(PeerKey{9}, 0, 18)) << "nobody that we know";
}

TEST(Push, a_newcomer_asks_of_each_only_what_it_soon_has_time_for) {
  const base::Time now{seconds{1000}};
  Push node{{NodeTag{1}, false, kChunkBytes}, base::Rng{1}, now};
  const auto most_of = [&](std::uint32_t id, std::uint16_t uplink) {
    node.add_peer(PeerKey{id}, NodeTag{id}, now);
    Advert advert;
    advert.uplink = uplink;
    node.on_message(PeerKey{id}, advert, now);
    return node.most_pulled(PeerKey{id}, now);
  };
  EXPECT_GE(most_of(1, 0), 1U) << "or nobody would be asked";
  EXPECT_GT(most_of(3, 4 * 256), 2 * most_of(2, 256));
  EXPECT_LT(most_of(4, 65'535), 10'000U);
  EXPECT_GT(node.most_pulled(PeerKey{2}, now + Neighbourhood::kNewcomer), 10'000U) << "then other limits hold";
}

TEST(Push, what_comes_after_us_waits_a_little_for_parents_and_what_was_there_before_is_pulled) {
  base::Time now{seconds{1000}};
  Push node{{NodeTag{1}, false, kChunkBytes}, base::Rng{1}, now};
  node.add_peer(PeerKey{5}, NodeTag{5}, now);
  EXPECT_FALSE(node.covers(chunk_of(kFirst + 17, 0), now)) << "of what time it is nobody has told";
  node.begin_at(kFirst);
  node.begin_at(kFirst + 100);   // counts once
  EXPECT_FALSE(node.covers(chunk_of(kFirst, 0), now));
  node.on_proved(kFirst + 17, kUsed, PeerKey{5}, now);
  EXPECT_TRUE(node.covers(chunk_of(kFirst + 17, 0), now));
  EXPECT_FALSE(node.covers(chunk_of(kFirst + 17, 0), now + seconds{1})) << "nobody feeds us";
  EXPECT_FALSE(node.covers(chunk_of(kFirst + 18, 0), now)) << "no word of it";
}

TEST(Push, among_peers_of_the_first_version_nothing_is_waited_for) {
  base::Time now{seconds{1000}};
  Push node{{NodeTag{1}, false, kChunkBytes}, base::Rng{1}, now};
  node.begin_at(kFirst);
  node.on_proved(kFirst + 17, kUsed, PeerKey{5}, now);
  EXPECT_FALSE(node.covers(chunk_of(kFirst + 17, 0), now));
}

}  // namespace
}  // namespace runnel::swarm
