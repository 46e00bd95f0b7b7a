#include <gtest/gtest.h>

#include "core/swarm/content.hpp"
#include "core/tree/memory_node_store.hpp"
#include "crypto/openssl.hpp"
#include "crypto/sign.hpp"

namespace runnel::swarm {
namespace {

constexpr std::uint64_t kMunro = 1000;

// A source and a viewer of its channel.
struct Channels {
  explicit Channels(std::size_t chunk_count = 5) {
    for (std::size_t i = 0; i < chunk_count; ++i) chunks.emplace_back(100 + i, static_cast<std::byte>(i));
    std::vector<base::ByteView> views{chunks.begin(), chunks.end()};
    static_cast<void>(source.publish(chunk_of(kMunro, 0), views, base::WallTime{std::chrono::seconds{1'700'000'000}}));
  }
  static Metadata metadata_for(const crypto::Signer& signer) {
    Metadata metadata;
    metadata.live = true;
    metadata.addressing = wire::AddressingMethod::chunks64;
    metadata.id = signer.public_key();
    return metadata;
  }
  std::unique_ptr<crypto::Signer> signer = crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
  std::unique_ptr<crypto::Verifier> verifier = crypto::make_verifier(signer->public_key()).value();
  std::unique_ptr<crypto::Hasher> hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  Metadata metadata = metadata_for(*signer);
  tree::MemoryNodeStore source_nodes, viewer_nodes;
  LiveContent source{metadata, {&source_nodes, hasher.get(), verifier.get(), signer.get()}};
  LiveContent viewer{metadata, {&viewer_nodes, hasher.get(), verifier.get(), nullptr}};
  std::vector<base::Bytes> chunks;
};

using Check = LiveContent::BundleCheck;

TEST(Bundle, proves_every_chunk_of_its_munro) {
  for (const std::size_t count : {1UL, 5UL, 32UL}) {
    Channels c{count};
    const tree::HashInbox nothing;
    EXPECT_EQ(c.viewer.check(chunk_of(kMunro, 0), c.chunks[0], nothing), tree::LeafCheck::missing_hashes);
    const auto bundle = c.source.bundle(kMunro);
    ASSERT_TRUE(bundle);
    EXPECT_EQ(bundle->leaves.size(), count);
    EXPECT_EQ(c.viewer.offer_bundle(*bundle), Check::fresh);
    EXPECT_EQ(c.viewer.offer_bundle(*bundle), Check::known);
    for (unsigned i = 0; i < count; ++i) {
      EXPECT_EQ(c.viewer.check(chunk_of(kMunro, i), c.chunks[i], nothing), tree::LeafCheck::verified);
      base::Bytes wrong = c.chunks[i];
      wrong[3] ^= std::byte{1};
      EXPECT_EQ(c.viewer.check(chunk_of(kMunro, i), wrong, nothing), tree::LeafCheck::mismatch);
    }
    EXPECT_EQ(c.viewer.bundle(kMunro), bundle) << "and is passed on as it came";
  }
}

TEST(Bundle, of_which_anything_is_false_is_not_believed) {
  Channels c;
  const Bundle bundle = *c.source.bundle(kMunro);
  std::vector<Bundle> lies(6, bundle);
  lies[0].signature[5] ^= std::byte{1};
  lies[1].leaves[2].mutable_view()[0] ^= std::byte{1};
  lies[2].leaves.pop_back();
  lies[3].leaves.push_back(bundle.leaves[0]);
  lies[4].munro += 1;
  lies[5].timestamp = wire::NtpTimestamp{bundle.timestamp.value() + 1};
  for (const Bundle& lie : lies) EXPECT_EQ(c.viewer.offer_bundle(lie), Check::wrong);
  EXPECT_EQ(c.viewer.munro(chunk_of(kMunro, 0)), nullptr);
  EXPECT_FALSE(c.viewer_nodes.get(tree::Bin::leaf(chunk_of(kMunro, 2)))) << "nothing of them is trusted";
  EXPECT_EQ(c.viewer.offer_bundle(bundle), Check::fresh);
}

TEST(Bundle, goes_with_a_munro_whose_signature_came_before) {
  Channels c;
  const SignedMunro& munro = *c.source.munro(chunk_of(kMunro, 0));
  tree::HashInbox inbox;
  const tree::Bin bin = tree::munro_of(chunk_of(kMunro, 0), c.metadata.munro_width);
  inbox.offer(bin, munro.hash);
  ASSERT_TRUE(c.viewer.offer_signed({bin.range(), munro.timestamp, munro.signature}, inbox));
  EXPECT_FALSE(c.viewer.bundle(kMunro)) << "its leaves are not known";
  Bundle lie = *c.source.bundle(kMunro);
  lie.leaves.pop_back();
  EXPECT_EQ(c.viewer.offer_bundle(lie), Check::wrong);
  EXPECT_EQ(c.viewer.offer_bundle(*c.source.bundle(kMunro)), Check::fresh);
  EXPECT_EQ(c.viewer.munro(chunk_of(kMunro, 0))->used, 5U);
}

}  // namespace
}  // namespace runnel::swarm
