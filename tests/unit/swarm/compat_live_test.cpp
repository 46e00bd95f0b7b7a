// Live swarms as older peers have them (rfc7574.md P9): whole engines in virtual time.
#include <gtest/gtest.h>

#include "core/swarm/engine.hpp"
#include "core/swarm/live_form.hpp"
#include "support/virtual_swarm.hpp"

namespace runnel::swarm {
namespace {

using test::LinkModel;
using test::VirtualNetwork;
using test::VirtualNode;
using tree::ChunkIndex;

constexpr SwarmHandle kSwarm{1};
constexpr std::uint64_t kWidth = tree::kDefaultMunroWidth;
constexpr std::size_t kMunroBytes = kWidth * kDefaultCompatChunkSize;
constexpr base::Duration kInterval{66'000};   // 4 Mb/s

void join(VirtualNetwork& net, VirtualNode& node, const Metadata& metadata, crypto::Signer* signer) {
  node.hasher = crypto::make_hasher(crypto::HashAlgorithm::sha1);
  node.verifier = crypto::make_verifier(metadata.id).value();
  net.input(node,
            AddSwarm{kSwarm, metadata, {&node.nodes, node.hasher.get(), node.verifier.get(), signer}, {}, true, SealPolicy::never, true});
}

struct Source {
  Source(VirtualNetwork& network, VirtualNode& at, std::uint64_t munro = 0, const Source* same = nullptr)
      : net(network),
        node(at),
        signer(same != nullptr ? same->signer : crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256)),
        next(munro) {
    Link link;
    link.kind = LinkKind::live;
    link.hash = crypto::HashAlgorithm::sha1;
    link.chunk_size = kDefaultCompatChunkSize;
    link.addressing = wire::AddressingMethod::chunks32;
    metadata = live_metadata(link, signer->public_key());
    join(net, node, metadata, signer.get());
  }
  void watch(VirtualNode& viewer) {
    net.input(viewer, WallClock{wall()});
    join(net, viewer, metadata, nullptr);
    net.input(viewer, AddPeers{kSwarm, {node.endpoint}, true});
  }
  [[nodiscard]] base::WallTime wall() const { return base::WallTime{std::chrono::seconds{1'700'000'000} + net.now.time_since_epoch()}; }
  void publish() {
    base::Bytes bytes(kMunroBytes);
    for (std::byte& b : bytes) b = static_cast<std::byte>(content());
    net.input(node, WallClock{wall()});
    net.input(node, Publish{kSwarm, ChunkIndex{kWidth * next++}, bytes, wall()});
  }
  void run() {
    publish();
    net.at(kInterval, [this] { run(); });
  }
  VirtualNetwork& net;
  VirtualNode& node;
  std::shared_ptr<crypto::Signer> signer;
  Metadata metadata;
  std::uint64_t next;   // munro
  base::Rng content{1};
};

void run_for(VirtualNetwork& net, std::chrono::seconds time) {
  net.run_until([] { return false; }, time);
}

TEST(CompatLive, munros_reach_every_viewer_who_serves_them_to_others) {
  for (const double loss : {0.0, 0.03}) {
    VirtualNetwork net{5, LinkModel{std::chrono::milliseconds{20}, std::chrono::milliseconds{5}, loss}};
    Source source{net, net.add()};
    source.run();
    struct Seen {
      std::set<std::uint64_t> munros;
      VirtualNode* node;
    };
    std::deque<Seen> viewers;
    for (int i = 0; i < 4; ++i) {
      Seen& seen = viewers.emplace_back(Seen{{}, &net.add()});
      seen.node->on_event = [&](const Event& event) {
        if (const auto* munro = std::get_if<MunroComplete>(&event)) {
          EXPECT_EQ(munro->range.count(), kWidth) << "nothing is skipped";
          seen.munros.insert(munro->range.first.value() / kWidth);
          const auto signed_at = seen.node->engine.signed_at(kSwarm, munro->range.first);
          ASSERT_TRUE(signed_at);
          EXPECT_LT(source.wall() - *signed_at, std::chrono::seconds{3});
          EXPECT_GE(source.wall(), *signed_at);
        }
      };
      source.watch(*seen.node);
    }
    run_for(net, std::chrono::seconds{20});
    std::uint64_t all_up = 0;
    for (const Seen& seen : viewers) {
      ASSERT_FALSE(seen.munros.empty());
      const std::uint64_t last = source.next - 1;
      const std::uint64_t wanted = last - *seen.munros.begin();
      EXPECT_GT(wanted, 250U);
      EXPECT_GT(seen.munros.size() + 30, wanted) << "but for the last two seconds all are here";
      for (const auto& [index, chunk] : seen.node->chunks) EXPECT_EQ(chunk, source.node.chunks.at(index));
      const auto state = seen.node->engine.state(kSwarm, net.now);
      EXPECT_FALSE(state->push) << "version 1 alone";
      EXPECT_EQ(state->rejected, 0U);
      all_up += state->up_bytes;
    }
    EXPECT_GT(all_up, 20U * 15 * kMunroBytes / 2) << "viewers serve";
  }
}

// Its signature says nothing of its place, so that it is there proves nothing: the window stays where the stream is.
TEST(CompatLive, a_munro_shown_far_ahead_moves_nobodys_window) {
  VirtualNetwork net{5, LinkModel{}};
  Source source{net, net.add()};
  source.run();
  VirtualNode& viewer = net.add();
  std::size_t complete = 0;
  std::uint64_t highest = 0;
  viewer.on_event = [&](const Event& event) {
    if (const auto* munro = std::get_if<MunroComplete>(&event)) {
      ++complete;
      highest = std::max(highest, munro->range.last.value());
    }
    if (const auto* moved = std::get_if<WindowMoved>(&event)) highest = std::max(highest, moved->first.value());
  };
  source.watch(viewer);
  run_for(net, std::chrono::seconds{5});
  Source ahead{net, net.add(), (std::uint64_t{1} << 31) / kWidth, &source};
  ahead.run();
  net.input(viewer, AddPeers{kSwarm, {ahead.node.endpoint}, true});
  run_for(net, std::chrono::seconds{10});
  EXPECT_LT(highest, std::uint64_t{1} << 30);
  EXPECT_GT(complete + 30, source.next) << "and nothing is missed";
}

// RFC 7574 6.1.2.4.
TEST(CompatLive, what_was_signed_last_hour_is_no_place_to_begin_at) {
  VirtualNetwork net{5, LinkModel{}};
  Source old{net, net.add()};
  old.publish();
  run_for(net, std::chrono::seconds{3'600});
  Source source{net, net.add(), 1'000, &old};
  source.run();
  VirtualNode& viewer = net.add();
  std::optional<std::uint64_t> first;
  viewer.on_event = [&](const Event& event) {
    if (const auto* munro = std::get_if<MunroComplete>(&event); munro != nullptr && !first) first = munro->range.first.value();
  };
  old.watch(viewer);
  run_for(net, std::chrono::seconds{1});
  EXPECT_FALSE(first);
  net.input(viewer, AddPeers{kSwarm, {source.node.endpoint}, true});
  run_for(net, std::chrono::seconds{2});
  ASSERT_TRUE(first);
  EXPECT_GE(*first, 1'000 * kWidth);
}

}  // namespace
}  // namespace runnel::swarm
