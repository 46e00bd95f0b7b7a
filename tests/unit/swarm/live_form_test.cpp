// What differs between live swarms of the RFC's form and those of older peers (rfc7574.md P9).
#include "core/swarm/live_form.hpp"

#include <gtest/gtest.h>

#include "core/swarm/content.hpp"
#include "core/tree/memory_node_store.hpp"
#include "crypto/openssl.hpp"

namespace runnel::swarm {
namespace {

using base::WallTime;
using std::chrono::seconds;
using tree::ChunkIndex;

const WallTime kNoon{seconds{1'700'000'000} + std::chrono::microseconds{250'000}};
constexpr std::uint32_t kWidth = tree::kDefaultMunroWidth;

Link a_link(base::ByteView key) {
  Link link;
  link.kind = LinkKind::live;
  link.id_bytes = crypto::compress_key(key).value();
  link.hash = crypto::HashAlgorithm::sha1;
  link.chunk_size = kDefaultCompatChunkSize;
  link.addressing = wire::AddressingMethod::chunks32;
  return link;
}

// A source as older peers have it, and one who watches it.
struct Stream {
  base::Bytes chunks_of(std::uint64_t munro) const { return base::Bytes(kWidth * metadata.chunk_size, static_cast<std::byte>(munro)); }
  ChunkIndex first_of(std::uint64_t munro) const { return ChunkIndex{munro * kWidth}; }
  tree::Bin bin_of(std::uint64_t munro) const { return tree::munro_of(first_of(munro), kWidth); }
  void sign(std::uint64_t munro, WallTime at = kNoon) {
    const base::Bytes bytes = chunks_of(munro);
    std::vector<base::ByteView> chunks;
    for (std::size_t i = 0; i < kWidth; ++i) chunks.push_back(base::ByteView{bytes}.subspan(i * metadata.chunk_size, metadata.chunk_size));
    source.publish(first_of(munro), chunks, at);
  }
  // What the source signed of one munro, shown in the place of another. Whether it is an offence.
  bool offends(std::uint64_t munro, std::uint64_t place) {
    const SignedMunro& it = *source.munro(first_of(munro));
    tree::HashInbox inbox;
    inbox.offer(bin_of(place), it.hash);
    return !watcher.offer_signed({bin_of(place).range(), it.timestamp, it.signature}, inbox);
  }
  bool knows(std::uint64_t munro) const { return watcher.munro(first_of(munro)) != nullptr; }

  std::unique_ptr<crypto::Signer> signer = crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
  std::unique_ptr<crypto::Verifier> verifier = crypto::make_verifier(signer->public_key()).value();
  std::unique_ptr<crypto::Hasher> hasher = crypto::make_hasher(crypto::HashAlgorithm::sha1);
  Metadata metadata = live_metadata(a_link(signer->public_key()), signer->public_key());
  tree::MemoryNodeStore source_nodes, watcher_nodes;
  LiveContent source{metadata, {&source_nodes, hasher.get(), verifier.get(), signer.get()}};
  LiveContent watcher{metadata, {&watcher_nodes, hasher.get(), verifier.get(), nullptr}};
};

TEST(LiveForm, of_older_peers_signs_the_munros_hash_alone) {
  const Stream stream;
  const LiveForm form{stream.metadata};
  const crypto::Digest hash = crypto::hash(crypto::HashAlgorithm::sha1, {});
  EXPECT_EQ(form.signed_bytes(stream.bin_of(7), form.stamp(kNoon), hash.view()), base::to_bytes(hash.view()));
  EXPECT_FALSE(form.signs_place());
}

TEST(LiveForm, of_older_peers_has_unix_microseconds) {
  const Stream stream;
  const LiveForm form{stream.metadata};
  EXPECT_EQ(form.stamp(kNoon), wire::NtpTimestamp{1'700'000'000'250'000});
  EXPECT_EQ(form.time_of(form.stamp(kNoon)), kNoon);
  EXPECT_FALSE(form.longer_apart(form.stamp(kNoon), form.stamp(kNoon + seconds{70}), 70));
  EXPECT_TRUE(form.longer_apart(form.stamp(kNoon), form.stamp(kNoon + seconds{71}), 70));
  EXPECT_FALSE(form.longer_apart(form.stamp(kNoon + seconds{71}), form.stamp(kNoon), 70));
}

TEST(LiveForm, of_the_rfc_has_ntp_time_and_indices_that_tell_it) {
  Stream stream;
  stream.metadata.hash = crypto::HashAlgorithm::sha256;
  stream.metadata.live_window = kDefaultLiveWindow;
  const LiveForm form{stream.metadata};
  EXPECT_EQ(form.stamp(kNoon).value(), base::to_ntp(kNoon));
  EXPECT_EQ(form.time_of(form.stamp(kNoon)), kNoon);
  EXPECT_EQ(form.index_at(kNoon), ChunkIndex{1'700'000'000ULL * kLiveIndicesPerSecond + kLiveIndicesPerSecond / 4});
  EXPECT_EQ(form.window_seconds(), 60U);
  EXPECT_TRUE(form.signs_place());
  EXPECT_FALSE(form.full_munros());
}

// Indices count chunks from 0, so nothing may be told from them.
TEST(LiveForm, of_older_peers_tells_no_time_by_its_indices) {
  Stream stream;
  const LiveForm form{stream.metadata};
  EXPECT_EQ(form.index_at(kNoon), std::nullopt);
  EXPECT_EQ(stream.metadata.live_window, kCompatLiveWindow);
  EXPECT_EQ(form.window_seconds(), 60U);
  stream.metadata.live_window = 1;
  EXPECT_EQ(form.window_seconds(), 60U);
}

TEST(CompatLive, a_full_munro_is_taken_and_its_chunks_are_verified) {
  Stream stream;
  stream.sign(0);
  EXPECT_FALSE(stream.offends(0, 0));
  ASSERT_TRUE(stream.knows(0));
  EXPECT_EQ(stream.watcher.munro(ChunkIndex{0})->used, kWidth);
  tree::HashInbox inbox;
  for (std::uint64_t i = 0; i < kWidth; ++i) {
    std::vector<tree::NodeHash> proof;
    const auto nothing = [](tree::ChunkRange) { return false; };
    ASSERT_TRUE(tree::uncles(stream.source.tree(), ChunkIndex{i}, stream.bin_of(0), nothing, proof));
    ASSERT_TRUE(stream.watcher.offer(proof, inbox));
    EXPECT_EQ(stream.watcher.take_completed(ChunkIndex{i}), std::nullopt);
    ASSERT_EQ(stream.watcher.check(ChunkIndex{i}, base::Bytes(1024, std::byte{0}), inbox), tree::LeafCheck::verified);
    stream.watcher.mark_held({ChunkIndex{i}, ChunkIndex{i}});
  }
  EXPECT_EQ(stream.watcher.take_completed(ChunkIndex{0}), (tree::ChunkRange{ChunkIndex{0}, ChunkIndex{kWidth - 1}}));
}

TEST(CompatLive, chunks_are_of_the_chunk_size) {
  Stream stream;
  stream.sign(0);
  ASSERT_FALSE(stream.offends(0, 0));
  tree::HashInbox inbox;
  for (const std::size_t size : {1U, 1023U, 1025U})
    EXPECT_EQ(stream.watcher.check(ChunkIndex{0}, base::Bytes(size), inbox), tree::LeafCheck::mismatch) << size;
}

// A signature that is another munro's does not hold; the same munro with its own signature elsewhere does, and is let go.
TEST(CompatLive, what_was_signed_for_one_munro_proves_no_other) {
  Stream stream;
  stream.sign(1);
  stream.sign(2);
  const SignedMunro& one = *stream.source.munro(stream.first_of(1));
  const SignedMunro& two = *stream.source.munro(stream.first_of(2));
  tree::HashInbox inbox;
  inbox.offer(stream.bin_of(1), one.hash);
  EXPECT_FALSE(stream.watcher.offer_signed({stream.bin_of(1).range(), one.timestamp, two.signature}, inbox)) << "an offence";
  EXPECT_FALSE(stream.knows(1));

  EXPECT_FALSE(stream.offends(2, 2));
  ASSERT_TRUE(stream.knows(2));
  EXPECT_FALSE(stream.offends(2, 9)) << "whoever passes it on may have been deceived";
  EXPECT_FALSE(stream.knows(9)) << "it was there already, in its place";
}

TEST(CompatLive, what_was_signed_too_long_before_the_newest_is_let_go) {
  Stream stream;
  stream.sign(1, kNoon - seconds{71});
  stream.sign(2, kNoon - seconds{70});
  stream.sign(3, kNoon);
  for (const std::uint64_t munro : {3, 1, 2}) EXPECT_FALSE(stream.offends(munro, munro));
  EXPECT_TRUE(stream.knows(3));
  EXPECT_FALSE(stream.knows(1));
  EXPECT_TRUE(stream.knows(2));
  EXPECT_FALSE(stream.source.stale_at(*stream.source.munro(stream.first_of(3)), kNoon + seconds{70}));
  EXPECT_TRUE(stream.source.stale_at(*stream.source.munro(stream.first_of(3)), kNoon + seconds{71}));
}

}  // namespace
}  // namespace runnel::swarm
