// What the small steps of a chunk's way cost, each alone: hashes, seals, signatures, messages, trees, sets, tables. Google Benchmark's own
// options apply (--help); bench/micro.py prints the medians.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "base/rng.hpp"
#include "core/swarm/download_queue.hpp"
#include "core/swarm/picker.hpp"
#include "core/swarm/upload_queue.hpp"
#include "core/tree/hash_tree.hpp"
#include "core/tree/interval_set.hpp"
#include "core/tree/memory_node_store.hpp"
#include "core/tree/munro.hpp"
#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"
#include "crypto/openssl.hpp"
#include "crypto/seal.hpp"
#include "crypto/sign.hpp"

namespace {

using namespace runnel;
using tree::ChunkIndex;
using tree::ChunkRange;

constexpr std::size_t kChunk = 1080;

base::Bytes noise(std::size_t size) {
  base::Rng rng{size};
  base::Bytes bytes(size);
  for (std::byte& b : bytes) b = static_cast<std::byte>(rng());
  return bytes;
}

// ---- crypto -----------------------------------------------------------------------------------------------------------

void leaf_hash(benchmark::State& state) {
  const auto hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  const base::Bytes chunk = noise(kChunk);
  for (auto _ : state) benchmark::DoNotOptimize(hasher->hash(chunk));
}
BENCHMARK(leaf_hash);

void parent_hash(benchmark::State& state) {
  const auto hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  const crypto::Digest left = hasher->hash(noise(1));
  const crypto::Digest right = hasher->hash(noise(2));
  for (auto _ : state) benchmark::DoNotOptimize(hasher->hash_pair(left, right));
}
BENCHMARK(parent_hash);

void seal_datagram(benchmark::State& state) {
  crypto::Seal seal{crypto::SealAlgorithm::aes_128_gcm, crypto::Seal::Use::sealing, noise(16)};
  const base::Bytes plain = noise(kChunk);
  base::Bytes out(plain.size() + crypto::kSealTagSize);
  crypto::SealNonce nonce{};
  for (auto _ : state) {
    nonce[0] ^= std::byte{1};
    seal.seal(nonce, {}, plain, out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(seal_datagram);

void open_datagram(benchmark::State& state) {
  crypto::Seal seal{crypto::SealAlgorithm::aes_128_gcm, crypto::Seal::Use::sealing, noise(16)};
  crypto::Seal opener{crypto::SealAlgorithm::aes_128_gcm, crypto::Seal::Use::opening, noise(16)};
  const base::Bytes plain = noise(kChunk);
  base::Bytes sealed(plain.size() + crypto::kSealTagSize);
  seal.seal({}, {}, plain, sealed);
  base::Bytes work = sealed;
  for (auto _ : state) {
    work = sealed;   // a copy of a kilobyte is in the figure
    if (!opener.open({}, {}, work)) state.SkipWithError("it did not open");
  }
}
BENCHMARK(open_datagram);

void sign_munro(benchmark::State& state) {
  const auto signer = crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
  const base::Bytes message = noise(52);
  for (auto _ : state) benchmark::DoNotOptimize(signer->sign(message));
}
BENCHMARK(sign_munro);

void verify_munro(benchmark::State& state) {
  const auto signer = crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
  const auto verifier = *crypto::make_verifier(signer->public_key());
  const base::Bytes message = noise(52);
  const base::Bytes signature = signer->sign(message);
  for (auto _ : state) {
    if (!verifier->verify(message, signature)) state.SkipWithError("it is not signed");
  }
}
BENCHMARK(verify_munro);

// ---- wire -------------------------------------------------------------------------------------------------------------

void write_data(benchmark::State& state) {
  const base::Bytes chunk = noise(kChunk);
  base::Bytes datagram(1400);
  for (auto _ : state) {
    wire::Encoder encoder{datagram, wire::Format{}};
    encoder.channel(wire::ChannelId{0xc000'0001});
    encoder.data(ChunkIndex{77}, wire::NodeTimestamp{1}, chunk);
    benchmark::DoNotOptimize(encoder.size());
  }
}
BENCHMARK(write_data);

void read_data(benchmark::State& state) {
  base::Bytes datagram(1400);
  wire::Encoder encoder{datagram, wire::Format{}};
  encoder.channel(wire::ChannelId{0xc000'0001});
  encoder.data(ChunkIndex{77}, wire::NodeTimestamp{1}, noise(kChunk));
  datagram.resize(encoder.size());
  for (auto _ : state) {
    wire::Decoder decoder{base::ByteView{datagram}.subspan(wire::kChannelSize), wire::Format{}};
    const auto message = decoder.next();
    if (!message || !*message || !std::holds_alternative<wire::Data>(**message)) state.SkipWithError("no DATA was read");
    benchmark::DoNotOptimize(message);
  }
}
BENCHMARK(read_data);

// ---- trees ------------------------------------------------------------------------------------------------------------

// A leaf of a block of 64 whose other hashes are known already: what most chunks of a transfer cost.
void verify_leaf(benchmark::State& state) {
  const auto hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  constexpr std::uint64_t kLeaves = 1 << 10;
  std::vector<crypto::Digest> leaves;
  for (std::uint64_t i = 0; i < kLeaves; ++i) leaves.push_back(hasher->hash(noise(i + 1)));
  tree::MemoryNodeStore nodes;
  const tree::Bin root = tree::HashTree::root_bin(kLeaves);
  tree::build_munro(nodes, *hasher, root, leaves);
  tree::HashTree tree{nodes, *hasher};
  const tree::HashInbox inbox;
  std::uint64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(tree.verify_leaf(ChunkIndex{i}, leaves[i], inbox));
    i = (i + 1) % kLeaves;
  }
}
BENCHMARK(verify_leaf);

// Ranges with as many gaps: what is held of a file of a few hundred MB, or of one of 50 GB, that came in disorder.
void interval_set(benchmark::State& state) {
  tree::IntervalSet set;
  const auto ranges = static_cast<std::uint64_t>(state.range(0));
  for (std::uint64_t i = 0; i < ranges; ++i) set.insert({ChunkIndex{i * 4}, ChunkIndex{i * 4 + 1}});
  base::Rng rng{1};
  for (auto _ : state) {
    const ChunkIndex at{rng.below(ranges) * 4 + 2};
    set.insert({at, at});
    benchmark::DoNotOptimize(set.next_gap(at, ChunkIndex{at.value() + 8}));
    set.erase({at, at});
  }
}
BENCHMARK(interval_set)->Arg(1'000)->Arg(1'000'000);

// ---- what is asked ----------------------------------------------------------------------------------------------------

void pick(benchmark::State& state) {
  const auto chunks = static_cast<std::uint64_t>(state.range(0));
  swarm::StaticPicker picker{base::Rng{1}, chunks};
  tree::IntervalSet peer;
  peer.insert({ChunkIndex{0}, ChunkIndex{chunks - 1}});
  picker.peer_has({ChunkIndex{0}, ChunkIndex{chunks - 1}});
  tree::IntervalSet have;
  tree::IntervalSet requested;
  base::Rng rng{2};
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    const std::uint64_t at = rng.below(chunks - 64);
    have.insert({ChunkIndex{at}, ChunkIndex{at + 63}});
  }
  for (auto _ : state) {
    swarm::PickCursor cursor;
    benchmark::DoNotOptimize(picker.pick(peer, {have, requested, nullptr}, cursor, false));
  }
}
BENCHMARK(pick)->Arg(1 << 17)->Arg(1 << 26);

// Asked of one peer, and come.
void download_queue(benchmark::State& state) {
  swarm::DownloadQueue queue;
  base::Time now{std::chrono::seconds{1000}};
  std::uint64_t next = 0;
  for (auto _ : state) {
    if (queue.outstanding() == 0) {
      for (int i = 0; i < 16; ++i)
        queue.add({ChunkIndex{next + static_cast<std::uint64_t>(i) * 64}, ChunkIndex{next + static_cast<std::uint64_t>(i) * 64 + 63}}, now);
    }
    now += base::Duration{10};
    benchmark::DoNotOptimize(queue.take(ChunkIndex{next++}, true, now));
  }
}
BENCHMARK(download_queue);

// Sent to one peer, and acknowledged 64 at a time.
void upload_queue(benchmark::State& state) {
  swarm::UploadQueue queue{kChunk};
  base::Time now{std::chrono::seconds{1000}};
  std::uint64_t next = 0;
  for (auto _ : state) {
    now += base::Duration{10};
    queue.on_sent(ChunkIndex{next++}, kChunk, now);
    if (next % 64 == 0) queue.on_ack({ChunkIndex{next - 64}, ChunkIndex{next - 1}}, 1'000, now);
  }
}
BENCHMARK(upload_queue);

}  // namespace

BENCHMARK_MAIN();
