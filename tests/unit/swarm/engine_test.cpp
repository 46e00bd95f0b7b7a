#include "core/swarm/engine.hpp"

#include <gtest/gtest.h>

#include "support/virtual_swarm.hpp"

namespace runnel::swarm {
namespace {

using test::LinkModel;
using test::VirtualNetwork;
using test::VirtualNode;
using tree::ChunkIndex;

constexpr SwarmHandle kSwarm{1};

// A file of pseudo-random bytes, cut and hashed as a caster does.
struct File {
  explicit File(std::size_t size, std::uint32_t chunk_size = kDefaultChunkSize) {
    base::Rng rng{size};
    base::Bytes bytes(size);
    for (std::byte& b : bytes) b = static_cast<std::byte>(rng());
    for (std::size_t at = 0; at < size; at += chunk_size) {
      chunks[at / chunk_size] = base::to_bytes(base::ByteView{bytes}.subspan(at, std::min<std::size_t>(chunk_size, size - at)));
    }
    metadata.chunk_size = chunk_size;
    metadata.content_bytes = size;
    const auto hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
    std::vector<crypto::Digest> leaves;
    for (const auto& [i, chunk] : chunks) leaves.push_back(hasher->hash(chunk));
    const tree::Bin root = tree::HashTree::root_bin(chunks.size());
    metadata.id = base::to_bytes(tree::build_munro(nodes, *hasher, root, leaves).view());
  }
  std::map<std::uint64_t, base::Bytes> chunks;
  tree::MemoryNodeStore nodes;
  Metadata metadata;
};

void seed(VirtualNetwork& net, VirtualNode& node, const File& file) {
  node.nodes = file.nodes;
  node.chunks = file.chunks;
  AddSwarm add{kSwarm,
               file.metadata,
               {&node.nodes, node.hasher.get(), nullptr, nullptr},
               {{ChunkIndex{0}, ChunkIndex{file.chunks.size() - 1}}},
               true};
  net.input(node, add);
}
void leech(VirtualNetwork& net, VirtualNode& node, const File& file, const VirtualNode& from) {
  AddSwarm add{kSwarm, file.metadata, {&node.nodes, node.hasher.get(), nullptr, nullptr}, {}, true};
  net.input(node, add);
  net.input(node, AddPeers{kSwarm, {from.endpoint}, true});
}

TEST(Engine, one_watcher_gets_the_file) {
  for (const std::size_t size : {1UL, 1080UL, 1081UL, 40'000UL, 3'000'000UL}) {
    const File file{size};
    VirtualNetwork net{size, LinkModel{}};
    VirtualNode& a = net.add();
    VirtualNode& b = net.add();
    seed(net, a, file);
    leech(net, b, file, a);
    ASSERT_TRUE(net.run_until([&] { return b.chunks.size() == file.chunks.size(); }, std::chrono::seconds{60}))
        << size << " bytes: " << b.chunks.size();
    EXPECT_EQ(b.chunks, file.chunks);
    EXPECT_EQ(b.engine.state(kSwarm, net.now)->duplicates, 0U);
  }
}

TEST(Engine, the_size_is_found_when_the_link_names_none) {
  for (const std::size_t size : {700UL, 5'000UL, 777'777UL}) {
    File file{size};
    VirtualNetwork net{size, LinkModel{}};
    VirtualNode& a = net.add();
    VirtualNode& b = net.add();
    seed(net, a, file);
    file.metadata.content_bytes.reset();
    std::optional<std::uint64_t> told;
    b.on_event = [&](const Event& event) {
      if (const auto* known = std::get_if<SizeKnown>(&event)) told = known->bytes;
    };
    leech(net, b, file, a);
    ASSERT_TRUE(net.run_until([&] { return b.chunks.size() == file.chunks.size(); }, std::chrono::seconds{60})) << size;
    EXPECT_EQ(told, size);
    EXPECT_EQ(b.chunks, file.chunks);
  }
}

TEST(Engine, loss_only_slows_it_down) {
  const File file{2'000'000};
  for (const double loss : {0.01, 0.05, 0.2}) {
    VirtualNetwork net{7, LinkModel{std::chrono::milliseconds{10}, std::chrono::milliseconds{1}, loss}};
    VirtualNode& a = net.add();
    VirtualNode& b = net.add();
    seed(net, a, file);
    leech(net, b, file, a);
    ASSERT_TRUE(net.run_until([&] { return b.chunks.size() == file.chunks.size(); }, std::chrono::minutes{10}))
        << loss << ": " << b.chunks.size();
    EXPECT_EQ(b.chunks, file.chunks);
    EXPECT_EQ(b.engine.state(kSwarm, net.now)->rejected, 0U);
  }
}

TEST(Engine, a_seed_that_never_answers_keeps_nothing_from_one_that_does) {
  const File file{400'003};
  for (const auto alone : {std::chrono::milliseconds{100}, std::chrono::milliseconds{2'500}, std::chrono::milliseconds{9'000}}) {
    VirtualNetwork net{3, LinkModel{}};
    VirtualNode& silent = net.add();
    VirtualNode& honest = net.add();
    VirtualNode& watcher = net.add();
    seed(net, silent, file);
    seed(net, honest, file);
    constexpr std::size_t kSmallerThanAChunk = 800;
    silent.corrupt = [](base::Bytes& bytes) {
      if (bytes.size() > kSmallerThanAChunk) bytes.clear();
    };
    leech(net, watcher, file, silent);
    net.run_until([] { return false; }, alone);
    ASSERT_TRUE(watcher.chunks.empty());
    net.input(watcher, AddPeers{kSwarm, {honest.endpoint}, true});
    EXPECT_TRUE(net.run_until([&] { return watcher.chunks.size() == file.chunks.size(); }, std::chrono::milliseconds{2'500}))
        << "alone with it for " << alone.count() << " ms; then " << watcher.chunks.size() << " of " << file.chunks.size() << " chunks came";
  }
}

// Two engines without a network: what each sends is seen, and handed over as the test likes.
struct Pair {
  explicit Pair(const File& file) {
    a.nodes = file.nodes;
    a.engine.handle(AddSwarm{kSwarm,
                             file.metadata,
                             {&a.nodes, a.hasher.get(), nullptr, nullptr},
                             {{ChunkIndex{0}, ChunkIndex{file.chunks.size() - 1}}},
                             true},
                    now);
    take(a);
    b.engine.handle(AddSwarm{kSwarm, file.metadata, {&b.nodes, b.hasher.get(), nullptr, nullptr}, {}, true}, now);
    take(b);
    b.engine.handle(AddPeers{kSwarm, {a.endpoint}, true}, now);
  }
  // What this engine sends now, datagram by datagram; chunks that it asks for are given to it first.
  std::vector<base::Bytes> take(VirtualNode& node, const File* file = nullptr) {
    std::vector<base::Bytes> sent;
    std::vector<LoadChunks> loads;
    do {
      loads.clear();
      while (const auto output = node.engine.poll(now)) {
        if (const auto* load = std::get_if<LoadChunks>(&*output)) loads.push_back(*load);
        const auto* out = std::get_if<SendDatagrams>(&*output);
        for (base::ByteView rest = out != nullptr ? out->bytes : base::ByteView{}; !rest.empty();) {
          sent.push_back(base::to_bytes(rest.first(std::min<std::size_t>(out->segment_size, rest.size()))));
          rest = rest.subspan(sent.back().size());
        }
      }
      for (const LoadChunks& load : loads) {
        std::vector<base::ByteView> views;
        for (std::uint64_t i = load.range.first.value(); i <= load.range.last.value(); ++i) views.push_back(file->chunks.at(i));
        const LoadedChunks loaded{load.id, views};
        node.engine.handle(ChunksLoaded{{&loaded, 1}}, now);
        for (base::Bytes& datagram : take(node, file)) sent.push_back(std::move(datagram));
      }
    } while (!loads.empty());
    return sent;
  }
  void give(VirtualNode& to, const VirtualNode& from, const std::vector<base::Bytes>& datagrams, bool more) {
    std::vector<DatagramIn> in;
    for (const base::Bytes& bytes : datagrams) in.push_back({from.endpoint, bytes, std::nullopt});
    to.engine.handle(DatagramsIn{in, more}, now);
  }
  base::Time now{std::chrono::seconds{1000}};
  VirtualNode a{1, base::Endpoint{base::IpAddress::v4({10, 0, 0, 1}), 7000}, now};
  VirtualNode b{2, base::Endpoint{base::IpAddress::v4({10, 0, 0, 2}), 7000}, now};
};

TEST(Engine, what_others_follow_at_once_is_acknowledged_with_them) {
  const File file{100 * std::size_t{kDefaultChunkSize}};
  Pair pair{file};
  for (int turn = 0; turn < 2; ++turn) {   // two datagrams of handshake, and what each says then
    pair.give(pair.a, pair.b, pair.take(pair.b), false);
    pair.give(pair.b, pair.a, pair.take(pair.a, &file), false);
  }
  pair.give(pair.a, pair.b, pair.take(pair.b), false);
  const std::vector<base::Bytes> chunks = pair.take(pair.a, &file);
  ASSERT_GE(chunks.size(), 20U) << "requested chunks";
  pair.give(pair.b, pair.a, chunks, true);
  EXPECT_GT(pair.b.engine.state(kSwarm, pair.now)->verified, 0U);
  EXPECT_TRUE(pair.take(pair.b).empty()) << "more is to come";
  pair.give(pair.b, pair.a, {}, false);
  EXPECT_FALSE(pair.take(pair.b).empty()) << "none came after all: acknowledgements and requests leave";

  pair.give(pair.b, pair.a, chunks, true);   // repeated
  static_cast<void>(pair.take(pair.b));
  pair.b.engine.handle(RemoveSwarm{kSwarm}, pair.now);
  static_cast<void>(pair.take(pair.b));
  pair.give(pair.b, pair.a, {}, false);
  EXPECT_TRUE(pair.take(pair.b).empty()) << "a swarm that has left owes nothing";
}

TEST(Engine, watchers_who_start_together_serve_each_other) {
  const File file{10'000'000};
  VirtualNetwork net{11, LinkModel{std::chrono::milliseconds{5}, std::chrono::milliseconds{1}, 0}};
  VirtualNode& caster = net.add();
  seed(net, caster, file);
  net.input(caster, SetLimits{5'000'000, 0, false});
  std::vector<VirtualNode*> watchers;
  for (int i = 0; i < 3; ++i) watchers.push_back(&net.add());
  for (VirtualNode* watcher : watchers) leech(net, *watcher, file, caster);
  const auto all_done = [&] {
    return std::ranges::all_of(watchers, [&](const VirtualNode* w) { return w->chunks.size() == file.chunks.size(); });
  };
  ASSERT_TRUE(net.run_until(all_done, std::chrono::minutes{5}));
  const double files = static_cast<double>(caster.engine.state(kSwarm, net.now)->up_bytes) / 10'000'000;
  EXPECT_LT(files, 1.5);
}

TEST(Engine, what_was_fetched_is_served_to_one_who_holds_nothing) {
  for (const std::size_t size : {30'000UL, 777'777UL, 1'080UL * 96}) {
    const File file{size};
    VirtualNetwork net{size, LinkModel{}};
    VirtualNode& caster = net.add();
    VirtualNode& first = net.add();
    VirtualNode& second = net.add();
    seed(net, caster, file);
    leech(net, first, file, caster);
    ASSERT_TRUE(net.run_until([&] { return first.chunks.size() == file.chunks.size(); }, std::chrono::seconds{60}));
    caster.gone = true;
    leech(net, second, file, first);
    ASSERT_TRUE(net.run_until([&] { return second.chunks.size() == file.chunks.size(); }, std::chrono::seconds{60}))
        << size << ": " << second.chunks.size();
    EXPECT_EQ(second.chunks, file.chunks);
  }
}

TEST(Engine, a_polluter_is_banned_within_two_bad_chunks_and_none_is_stored) {
  const File file{1'000'000};
  VirtualNetwork net{5, LinkModel{}};
  VirtualNode& good = net.add();
  VirtualNode& bad = net.add();
  VirtualNode& watcher = net.add();
  seed(net, good, file);
  seed(net, bad, file);
  bad.corrupt = [](base::Bytes& bytes) {
    if (bytes.size() > 1000) bytes.back() ^= std::byte{1};
  };
  bool banned = false;
  watcher.on_event = [&](const Event& event) {
    if (const auto* ban = std::get_if<PeerBanned>(&event)) banned |= ban->peer == bad.endpoint;
  };
  leech(net, watcher, file, bad);
  net.input(watcher, AddPeers{kSwarm, {good.endpoint}, true});
  ASSERT_TRUE(net.run_until([&] { return watcher.chunks.size() == file.chunks.size(); }, std::chrono::minutes{5}));
  EXPECT_TRUE(banned);
  EXPECT_LE(watcher.engine.state(kSwarm, net.now)->rejected, 2U);
  EXPECT_EQ(watcher.chunks, file.chunks);
}

// Before the size is known anything can be claimed; what was claimed must not outlive the moment when it is.
TEST(Engine, a_liar_about_the_size_does_no_harm_when_it_leaves) {
  File file{300'000};
  VirtualNetwork net{5, LinkModel{}};
  VirtualNode& honest = net.add();
  VirtualNode& liar = net.add();
  VirtualNode& watcher = net.add();
  seed(net, honest, file);
  Metadata false_size = file.metadata;
  false_size.content_bytes = 4'000'000'000;
  const ChunkIndex false_last{*false_size.content_bytes / kDefaultChunkSize};
  liar.chunks[false_last.value()] = base::Bytes(1);
  net.input(liar, AddSwarm{kSwarm, false_size, {&liar.nodes, liar.hasher.get(), nullptr, nullptr}, {{ChunkIndex{0}, false_last}}, false});
  file.metadata.content_bytes.reset();
  leech(net, watcher, file, liar);
  const auto peers = [&] { return watcher.engine.state(kSwarm, net.now)->peers; };
  net.run_until([] { return false; }, std::chrono::seconds{1});   // its claims arrive
  ASSERT_EQ(peers().size(), 1U);
  net.input(watcher, AddPeers{kSwarm, {honest.endpoint}, true});
  ASSERT_TRUE(net.run_until([&] { return watcher.engine.state(kSwarm, net.now)->total_chunks.has_value(); }, std::chrono::minutes{5}));
  ASSERT_EQ(peers().size(), 2U);
  net.input(liar, RemoveSwarm{kSwarm});
  ASSERT_TRUE(net.run_until([&] { return peers().size() == 1; }, std::chrono::seconds{10}));
  ASSERT_TRUE(net.run_until([&] { return watcher.chunks.size() == file.chunks.size(); }, std::chrono::minutes{5}));
  EXPECT_EQ(watcher.chunks, file.chunks);
}

TEST(Engine, a_reader_gets_its_range_before_anything_else) {
  const File file{20'000'000};
  VirtualNetwork net{5, LinkModel{}};
  VirtualNode& a = net.add();
  VirtualNode& b = net.add();
  seed(net, a, file);
  leech(net, b, file, a);
  std::optional<base::Time> ready;
  b.on_event = [&](const Event& event) {
    if (std::holds_alternative<RangeReady>(event)) ready = net.now;
  };
  ASSERT_TRUE(net.run_until([&] { return b.chunks.size() > 50; }, std::chrono::seconds{10}));
  const base::Time asked = net.now;
  net.input(b, Want{kSwarm, 1, {ChunkIndex{16'000}, ChunkIndex{16'063}}, net.now});
  ASSERT_TRUE(net.run_until([&] { return ready.has_value(); }, std::chrono::seconds{10}));
  EXPECT_LT(*ready - asked, std::chrono::milliseconds{500});
}

}  // namespace
}  // namespace runnel::swarm
