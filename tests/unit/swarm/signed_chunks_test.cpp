// RFC 7574 6.1.1: live streams in which every chunk is signed.
#include <gtest/gtest.h>

#include "core/swarm/content.hpp"
#include "core/swarm/handshake.hpp"
#include "core/tree/memory_node_store.hpp"
#include "core/wire/chunk_spec.hpp"
#include "crypto/openssl.hpp"

namespace runnel::swarm {
namespace {

using std::chrono::seconds;
using tree::ChunkIndex;
using tree::LeafCheck;

const base::WallTime kNoon{seconds{1'700'000'000}};

struct Stream {
  Stream() {
    metadata.live = true;
    metadata.sign_all = true;
    metadata.munro_width = 1;
    metadata.addressing = wire::AddressingMethod::chunks64;
    metadata.id = signer->public_key();
  }
  ChunkSignature sign(std::uint64_t index, base::ByteView chunk, base::WallTime at = kNoon) {
    base::Bytes text(16);
    EXPECT_TRUE(wire::write_chunk_spec(text, {ChunkIndex{index}, ChunkIndex{index}}, {.addressing = metadata.addressing}));
    base::Writer writer{text};
    writer.write(base::to_ntp(at));
    writer.write_view(chunk);
    return {ChunkIndex{index}, wire::NtpTimestamp{base::to_ntp(at)}, signer->sign(text)};
  }

  std::unique_ptr<crypto::Signer> signer = crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
  std::unique_ptr<crypto::Verifier> verifier = crypto::make_verifier(signer->public_key()).value();
  std::unique_ptr<crypto::Hasher> hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  Metadata metadata;
  tree::MemoryNodeStore nodes;
  LiveContent watcher{metadata, {&nodes, hasher.get(), verifier.get(), nullptr}};
};

TEST(SignedChunks, are_taken_with_their_signature_and_kept_with_it_for_others) {
  Stream stream;
  const base::Bytes chunk(1000, std::byte{7});
  const ChunkSignature signature = stream.sign(5, chunk);
  ASSERT_EQ(stream.watcher.check_signed(signature, chunk), LeafCheck::verified);
  stream.watcher.mark_held({ChunkIndex{5}, ChunkIndex{5}});
  ASSERT_NE(stream.watcher.munro(ChunkIndex{5}), nullptr);
  EXPECT_EQ(stream.watcher.munro(ChunkIndex{5})->signature, signature.signature);
  const auto complete = stream.watcher.take_completed(ChunkIndex{5});
  ASSERT_TRUE(complete);
  EXPECT_EQ(complete->count(), 1U);
  EXPECT_EQ(stream.watcher.munro(ChunkIndex{6}), nullptr);
}

TEST(SignedChunks, are_refused_when_a_byte_their_place_their_time_or_the_signature_is_another) {
  Stream stream;
  base::Bytes chunk(1000, std::byte{7});
  const ChunkSignature signature = stream.sign(5, chunk);
  chunk[999] ^= std::byte{1};
  EXPECT_EQ(stream.watcher.check_signed(signature, chunk), LeafCheck::mismatch);
  chunk[999] ^= std::byte{1};
  EXPECT_EQ(stream.watcher.check_signed({ChunkIndex{6}, signature.timestamp, signature.signature}, chunk), LeafCheck::mismatch);
  EXPECT_EQ(stream.watcher.check_signed({signature.chunk, wire::NtpTimestamp{1}, signature.signature}, chunk), LeafCheck::mismatch);
  ChunkSignature other = signature;
  other.signature[10] ^= std::byte{1};
  EXPECT_EQ(stream.watcher.check_signed(other, chunk), LeafCheck::mismatch);
  const base::Bytes longer(stream.metadata.chunk_size + 1);
  EXPECT_EQ(stream.watcher.check_signed(stream.sign(5, longer), longer), LeafCheck::mismatch);
  EXPECT_EQ(stream.watcher.munro(ChunkIndex{5}), nullptr);
}

TEST(SignedChunks, that_were_signed_too_long_before_the_newest_are_let_go) {
  Stream stream;
  const base::Bytes chunk(10);
  const seconds window{kDefaultLiveWindow / kLiveIndicesPerSecond + LiveContent::kStaleMarginSeconds};
  ASSERT_EQ(stream.watcher.check_signed(stream.sign(5, chunk), chunk), LeafCheck::verified);
  EXPECT_EQ(stream.watcher.check_signed(stream.sign(3, chunk, kNoon - window - seconds{1}), chunk), LeafCheck::missing_hashes);
  EXPECT_EQ(stream.watcher.check_signed(stream.sign(4, chunk, kNoon - window), chunk), LeafCheck::verified);
}

TEST(SignedChunks, have_handshakes_that_name_no_hash_and_messages_that_hold_none) {
  const Stream stream;
  const wire::Options call = initiating_options(stream.metadata, Style::full);
  EXPECT_EQ(call.integrity, wire::IntegrityMethod::sign_all);
  EXPECT_FALSE(call.hash);
  EXPECT_TRUE(call.signature);
  EXPECT_EQ(format_of(stream.metadata, 64).hash_size, 0U);
  wire::Options theirs = call;
  theirs.hash = crypto::HashAlgorithm::sha1;   // without meaning here
  EXPECT_TRUE(accept_initiating(stream.metadata, theirs));
  theirs.integrity = wire::IntegrityMethod::unified_merkle_tree;
  EXPECT_FALSE(accept_initiating(stream.metadata, theirs));
}

TEST(ChunkSignatures, keep_the_newest_of_a_chunk_and_no_more_than_their_limit) {
  ChunkSignatures signatures;
  const auto offer = [&](std::uint64_t index, std::uint8_t value) {
    const base::Bytes signature(64, std::byte{value});
    signatures.offer({{ChunkIndex{index}, ChunkIndex{index}}, wire::NtpTimestamp{1}, signature});
  };
  offer(1, 1);
  offer(1, 2);
  EXPECT_EQ(signatures.size(), 1U);
  EXPECT_EQ(signatures.find(ChunkIndex{1})->signature[0], std::byte{2});
  for (std::uint64_t index = 2; index <= ChunkSignatures::kMaxSignatures + 1; ++index) offer(index, 3);
  EXPECT_EQ(signatures.size(), ChunkSignatures::kMaxSignatures);
  EXPECT_EQ(signatures.find(ChunkIndex{1}), nullptr);
  ASSERT_NE(signatures.find(ChunkIndex{2}), nullptr);
  signatures.take(ChunkIndex{2});
  EXPECT_EQ(signatures.find(ChunkIndex{2}), nullptr);
}

}  // namespace
}  // namespace runnel::swarm
