#include "core/swarm/engine.hpp"

#include <gtest/gtest.h>

#include "core/swarm/handshake.hpp"
#include "core/swarm/push_messages.hpp"
#include "core/wire/encoder.hpp"
#include "support/virtual_swarm.hpp"

namespace runnel::swarm {
namespace {

using test::LinkModel;
using test::VirtualNetwork;
using test::VirtualNode;
using tree::ChunkIndex;
using tree::ChunkRange;

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

// ---- live -----------------------------------------------------------------------------------------------------------

// How many munros have come whole; `count` outlives the run.
void count_munros(VirtualNode& viewer, std::size_t& count) {
  viewer.on_event = [&count](const Event& event) { count += std::holds_alternative<MunroComplete>(event) ? 1 : 0; };
}

struct LiveSource {
  // `same`: with the key of another.
  LiveSource(VirtualNetwork& network, VirtualNode& at, bool by_push = false, const LiveSource* same = nullptr)
      : net(network),
        node(at),
        push(by_push),
        signer(same != nullptr ? same->signer : crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256)) {
    metadata.id = signer->public_key();
    metadata.live = true;
    metadata.addressing = wire::AddressingMethod::chunks64;
    node.verifier = crypto::make_verifier(metadata.id).value();
    net.input(
        node,
        AddSwarm{kSwarm, metadata, {&node.nodes, node.hasher.get(), node.verifier.get(), signer.get()}, {}, true, SealPolicy::never, push});
  }
  void watch(VirtualNode& viewer) {
    viewer.verifier = crypto::make_verifier(metadata.id).value();
    net.input(
        viewer,
        AddSwarm{
            kSwarm, metadata, {&viewer.nodes, viewer.hasher.get(), viewer.verifier.get(), nullptr}, {}, true, SealPolicy::never, push});
    net.input(viewer, AddPeers{kSwarm, {node.endpoint}, true});
  }
  [[nodiscard]] base::WallTime wall() const {
    return base::WallTime{std::chrono::seconds{1'700'000'000} + net.now.time_since_epoch() + wall_ahead};
  }
  // One record, signed when its index says.
  void publish_as_of(std::uint64_t first) {
    const base::WallTime then{std::chrono::seconds{first / kLiveIndicesPerSecond}};
    records[first] = base::Bytes(1'000);
    net.input(node, Publish{kSwarm, ChunkIndex{first}, records[first], then});
  }
  // A record of `bytes` every 66 ms, from now on.
  void run(std::size_t bytes) {
    const base::WallTime wall = this->wall();
    base::Bytes record(bytes);
    for (std::byte& b : record) b = static_cast<std::byte>(content());
    const ChunkIndex first = indexer.start_at(wall);
    indexer.advance(first, bytes);
    records[first.value()] = record;
    net.input(node, WallClock{wall});
    net.input(node, Publish{kSwarm, first, record, wall});
    net.at(std::chrono::milliseconds{66}, [this, bytes] { run(bytes); });
  }
  VirtualNetwork& net;
  VirtualNode& node;
  bool push;
  base::Duration wall_ahead{};
  std::shared_ptr<crypto::Signer> signer;   // of all sources with this key
  Metadata metadata;
  LiveIndexer indexer{tree::kDefaultMunroWidth, kDefaultChunkSize, std::nullopt};
  base::Rng content{1};
  std::map<std::uint64_t, base::Bytes> records;
};

// A source at `at`, and two that may follow it.
struct LiarAmongViewers {
  explicit LiarAmongViewers(bool push = false) : source{net, at, push} { source.run(20'000); }
  VirtualNetwork net{3, LinkModel{std::chrono::milliseconds{20}, std::chrono::milliseconds{5}, 0}};
  VirtualNode& at = net.add();
  VirtualNode& liar = net.add();
  VirtualNode& viewer = net.add();
  LiveSource source;
};

void reach_every_viewer_soon(bool push) {
  for (const double loss : {0.0, 0.03}) {
    VirtualNetwork net{3, LinkModel{std::chrono::milliseconds{20}, std::chrono::milliseconds{5}, loss}};
    VirtualNode& at = net.add();
    LiveSource source{net, at, push};
    source.run(20'000);
    struct Seen {
      std::map<std::uint64_t, base::Duration> delay;
      VirtualNode* node;
    };
    std::deque<Seen> viewers;
    for (int i = 0; i < 5; ++i) {
      Seen& seen = viewers.emplace_back(Seen{{}, &net.add()});
      seen.node->on_event = [&](const Event& event) {
        if (const auto* munro = std::get_if<MunroComplete>(&event)) {
          const base::WallTime wall{std::chrono::seconds{1'700'000'000} + net.now.time_since_epoch()};
          const auto us = munro->range.first.value() * 1'000'000 / kLiveIndicesPerSecond;
          seen.delay[munro->range.first.value()] = wall.time_since_epoch() - base::Duration{static_cast<std::int64_t>(us)};
        }
      };
      source.watch(*seen.node);
    }
    net.run_until([] { return false; }, std::chrono::seconds{20});
    std::uint64_t all_up = 0;
    for (Seen& seen : viewers) {
      ASSERT_GT(seen.delay.size(), 250U) << "viewer " << seen.node->endpoint.to_string();
      // All six start at one time; while they find each other, records may be a little late.
      const std::uint64_t settled = source.records.begin()->first + 2 * kLiveIndicesPerSecond;
      std::vector<base::Duration> delays;
      for (const auto& [index, delay] : seen.delay) {
        EXPECT_LT(delay, std::chrono::milliseconds{2000});
        if (index >= settled) delays.push_back(delay);
      }
      std::ranges::sort(delays);
      EXPECT_LT(delays[delays.size() / 2], std::chrono::milliseconds{300});
      EXPECT_LT(delays[delays.size() * 99 / 100], std::chrono::milliseconds{loss == 0 ? 500 : 1000});
      // Every record since it tuned in came, whole.
      const std::uint64_t first = seen.delay.begin()->first;
      std::size_t missing = 0;
      for (const auto& [start, record] : source.records)
        missing += start > first && start + 3 * kLiveIndicesPerSecond < source.records.rbegin()->first && !seen.delay.contains(start);
      EXPECT_EQ(missing, 0U);
      base::Bytes joined;
      for (std::uint64_t i = first; seen.node->chunks.contains(i); ++i)
        joined.insert(joined.end(), seen.node->chunks[i].begin(), seen.node->chunks[i].end());
      EXPECT_EQ(joined, source.records[first]);
      all_up += seen.node->engine.state(kSwarm, net.now)->up_bytes;
    }
    EXPECT_GT(all_up, 20U * 15 * 20'000 / 2) << "viewers serve";
  }
}

TEST(Engine, live_records_reach_every_viewer_soon) { reach_every_viewer_soon(false); }
TEST(Engine, live_records_reach_every_viewer_soon_by_push) { reach_every_viewer_soon(true); }

// By the world's clock, told now and then; what was signed before it came does not count.
TEST(Engine, a_viewer_knows_how_late_chunks_come) {
  VirtualNetwork net{3, LinkModel{std::chrono::milliseconds{20}, std::chrono::milliseconds{0}, 0}};
  VirtualNode& at = net.add();
  VirtualNode& viewer = net.add();
  LiveSource source{net, at, true};
  source.run(2'000);
  net.run_until([] { return false; }, std::chrono::seconds{5});
  source.watch(viewer);
  net.input(viewer, WallClock{source.wall()});
  net.run_until([] { return false; }, std::chrono::seconds{10});
  const auto state = viewer.engine.state(kSwarm, net.now);
  ASSERT_TRUE(state->chunk_delays);
  EXPECT_FALSE(at.engine.state(kSwarm, net.now)->chunk_delays);
  EXPECT_GT(state->chunk_delays->total(), 2U * 9 * 15);
  EXPECT_LT(state->chunk_delays->total(), 2U * 10 * 16);
  EXPECT_GE(state->chunk_delays->quantile(0), std::chrono::milliseconds{20});
  EXPECT_LT(state->chunk_delays->quantile(0.5), std::chrono::milliseconds{60});
}

// In place of what it holds it tells of a munro that the source never made.
TEST(Engine, who_makes_up_bundles_is_banned_and_its_neighbours_miss_nothing) {
  LiarAmongViewers swarm{true};
  auto& [net, at, liar, viewer, source] = swarm;
  std::size_t complete = 0;
  std::size_t bans = 0;
  viewer.on_event = [&](const Event& event) {
    complete += std::holds_alternative<MunroComplete>(event) ? 1 : 0;
    const auto* banned = std::get_if<PeerBanned>(&event);
    if (banned == nullptr) return;
    EXPECT_EQ(banned->peer, liar.endpoint);
    ++bans;
  };
  const wire::Format format = format_of(source.metadata, at.verifier->signature_size());
  liar.corrupt = [&](base::Bytes& bytes) {
    base::Reader reader{bytes};
    const auto channel = reader.read<std::uint32_t>();
    const auto message = reader.read<std::uint8_t>();
    const auto type = reader.read<std::uint16_t>();
    if (message != static_cast<std::uint8_t>(wire::MessageType::extension) || (type != HaveMap::kType && type != Advert::kType)) return;
    Bundle lie{munro_number(ChunkIndex{source.records.rbegin()->first}) + 100, {}, base::Bytes(format.signature_size), {}};
    lie.leaves.emplace_back(base::Bytes(format.hash_size, std::byte{7}));
    bytes.resize(1'000);
    wire::Encoder encoder{bytes, format};
    encoder.channel(wire::ChannelId{*channel});
    encoder.extension(Bundle::kType, encode_push(lie));
    bytes.resize(encoder.size());
  };
  source.watch(liar);
  source.watch(viewer);
  net.input(viewer, AddPeers{kSwarm, {liar.endpoint}, true});
  net.run_until([] { return false; }, std::chrono::seconds{20});
  EXPECT_EQ(bans, 1U);
  EXPECT_GT(complete + 10, source.records.size());
}

// It claims all indices between the records, which never were, and gives nothing.
TEST(Engine, a_liar_about_the_live_edge_moves_nobodys_window) {
  LiarAmongViewers swarm;
  auto& [net, at, liar, viewer, source] = swarm;
  std::size_t complete = 0;
  std::uint64_t least_kept = ~std::uint64_t{0};
  viewer.on_event = [&](const Event& event) {
    complete += std::holds_alternative<MunroComplete>(event) ? 1 : 0;
    const auto* moved = std::get_if<WindowMoved>(&event);
    if (moved != nullptr) least_kept = std::min(least_kept, source.records.rbegin()->first - moved->first.value());
  };
  liar.corrupt = [](base::Bytes& bytes) {
    constexpr std::size_t kHaveAt = wire::kChannelSize;   // where one stands first
    constexpr std::size_t kLastAt = kHaveAt + 1 + sizeof(std::uint64_t);
    if (bytes.size() > 500) {
      bytes.resize(wire::kChannelSize);   // no chunk leaves it
    } else if (bytes.size() >= kHaveAt + 17 && bytes[kHaveAt] == static_cast<std::byte>(wire::MessageType::have)) {
      base::Reader reader{base::ByteView{bytes}.subspan(kLastAt)};
      base::store_big_endian(bytes.data() + kLastAt, *reader.read<std::uint64_t>() + 58 * kLiveIndicesPerSecond);
    }
  };
  source.watch(liar);
  source.watch(viewer);
  net.input(viewer, AddPeers{kSwarm, {liar.endpoint}, true});
  net.run_until([] { return false; }, std::chrono::seconds{20});
  EXPECT_GT(least_kept, 55 * kLiveIndicesPerSecond) << "the window is 60 s";
  EXPECT_GT(complete + 10, source.records.size());
}

TEST(Engine, who_was_told_to_begin_in_the_future_begins_where_the_source_is_once_it_hears_of_it) {
  LiarAmongViewers swarm;
  auto& [net, at, liar, viewer, source] = swarm;
  std::size_t complete = 0;
  count_munros(viewer, complete);
  liar.corrupt = [&](base::Bytes& bytes) {   // nothing but a handshake, or a claim of what comes in 50 s, ever leaves it
    constexpr std::size_t kHaveSize = wire::kChannelSize + 1 + 2 * sizeof(std::uint64_t);
    const auto is = [&](wire::MessageType type) {
      return bytes.size() > wire::kChannelSize && bytes[wire::kChannelSize] == static_cast<std::byte>(type);
    };
    if (is(wire::MessageType::handshake)) return;
    if (!is(wire::MessageType::have)) return bytes.resize(wire::kChannelSize);
    bytes.resize(kHaveSize);
    for (const std::size_t place : {kHaveSize - 16, kHaveSize - 8}) {
      base::Reader reader{base::ByteView{bytes}.subspan(place)};
      base::store_big_endian(bytes.data() + place, *reader.read<std::uint64_t>() + 50 * kLiveIndicesPerSecond);
    }
  };
  source.watch(liar);
  net.run_until([] { return false; }, std::chrono::seconds{2});
  viewer.verifier = crypto::make_verifier(source.metadata.id).value();
  net.input(viewer, AddSwarm{kSwarm, source.metadata, {&viewer.nodes, viewer.hasher.get(), viewer.verifier.get(), nullptr}, {}, true});
  net.input(viewer, AddPeers{kSwarm, {liar.endpoint}, true});
  net.run_until([] { return false; }, std::chrono::seconds{2});
  ASSERT_EQ(complete, 0U);
  net.input(viewer, AddPeers{kSwarm, {at.endpoint}, true});
  net.run_until([] { return false; }, std::chrono::seconds{5});
  EXPECT_GT(complete, 50U) << "fifteen records a second";
}

// RFC 7574 6.1.2.4. What was signed an hour ago is shown by one who was cut off since; the source comes a second later.
TEST(Engine, a_replayed_munro_is_no_place_to_begin_at) {
  VirtualNetwork net{3, LinkModel{std::chrono::milliseconds{20}, std::chrono::milliseconds{5}, 0}};
  VirtualNode& at = net.add();
  VirtualNode& cut_off = net.add();
  VirtualNode& viewer = net.add();
  LiveSource source{net, at};
  source.run(20'000);
  source.watch(cut_off);
  net.run_until([] { return false; }, std::chrono::seconds{2});
  const std::uint64_t last_hour = source.records.rbegin()->first;
  net.input(cut_off, RemoveSwarm{kSwarm});
  net.at(std::chrono::seconds{1}, [&] { source.wall_ahead = std::chrono::hours{1}; });
  net.run_until([] { return false; }, std::chrono::seconds{2});
  ASSERT_GT(source.records.rbegin()->first, last_hour + 3'000 * kLiveIndicesPerSecond);
  // A source of the same key that has only what is old, and says so.
  VirtualNode& replayer = net.add();
  LiveSource old{net, replayer, false, &source};
  old.publish_as_of(last_hour);
  std::uint64_t first_seen = 0;
  viewer.on_event = [&](const Event& event) {
    if (const auto* munro = std::get_if<MunroComplete>(&event); munro != nullptr && first_seen == 0)
      first_seen = munro->range.first.value();
  };
  viewer.verifier = crypto::make_verifier(source.metadata.id).value();
  net.input(viewer, WallClock{source.wall()});
  net.input(viewer, AddSwarm{kSwarm, source.metadata, {&viewer.nodes, viewer.hasher.get(), viewer.verifier.get(), nullptr}, {}, true});
  net.input(viewer, AddPeers{kSwarm, {replayer.endpoint}, true});
  net.run_until([] { return false; }, std::chrono::seconds{1});
  EXPECT_EQ(first_seen, 0U) << "nothing of last hour is fetched";
  net.input(viewer, AddPeers{kSwarm, {at.endpoint}, true});
  net.run_until([] { return false; }, std::chrono::seconds{2});
  EXPECT_GT(first_seen, last_hour + 3'000 * kLiveIndicesPerSecond);
}

TEST(Engine, a_viewer_whose_clock_is_wrong_tunes_in_a_little_later) {
  for (const auto wrong : {std::chrono::hours{0}, std::chrono::hours{1}, std::chrono::hours{-1}}) {
    VirtualNetwork net{3, LinkModel{std::chrono::milliseconds{20}, std::chrono::milliseconds{5}, 0}};
    VirtualNode& at = net.add();
    VirtualNode& viewer = net.add();
    LiveSource source{net, at};
    source.run(20'000);
    std::size_t complete = 0;
    count_munros(viewer, complete);
    net.input(viewer, WallClock{source.wall() + wrong});
    source.watch(viewer);
    net.run_until([] { return false; }, std::chrono::seconds{5});
    EXPECT_GT(complete, 30U) << "a clock " << wrong.count() << " h ahead";
  }
}

TEST(Engine, a_liar_about_live_chunks_does_not_keep_them_from_a_viewer) {
  LiarAmongViewers swarm;
  auto& [net, at, liar, viewer, source] = swarm;
  std::size_t complete = 0;
  count_munros(viewer, complete);
  liar.corrupt = [](base::Bytes& bytes) {
    constexpr std::size_t kHaveAt = wire::kChannelSize;   // where one stands first
    if (bytes.size() > 500) {
      bytes.resize(wire::kChannelSize);   // no chunk leaves it
    } else if (bytes.size() >= kHaveAt + 17 && bytes[kHaveAt] == static_cast<std::byte>(wire::MessageType::have)) {
      base::Reader reader{base::ByteView{bytes}.subspan(kHaveAt + 1)};
      base::store_big_endian(bytes.data() + kHaveAt + 1, *reader.read<std::uint64_t>() - kLiveIndicesPerSecond / 2);
    }
  };
  source.watch(liar);
  source.watch(viewer);
  net.input(viewer, AddPeers{kSwarm, {liar.endpoint}, true});
  net.run_until([] { return false; }, std::chrono::seconds{20});
  EXPECT_EQ(viewer.engine.state(kSwarm, net.now)->peers.size(), 2U);
  EXPECT_GT(complete + 10, source.records.size());
}

}  // namespace
}  // namespace runnel::swarm
