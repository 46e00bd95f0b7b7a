// RFC 7574 6.1.2.4, 12.6.5: a signed munro whose time stamp is too old is discarded.
#include <gtest/gtest.h>

#include "core/swarm/content.hpp"
#include "core/tree/memory_node_store.hpp"
#include "crypto/openssl.hpp"

namespace runnel::swarm {
namespace {

using base::WallTime;
using std::chrono::seconds;
using tree::ChunkIndex;

const WallTime kNoon{seconds{1'700'000'000}};
constexpr seconds kWindow{kDefaultLiveWindow / kLiveIndicesPerSecond};
constexpr seconds kOld = kWindow + seconds{LiveContent::kStaleMarginSeconds};

// A source whose indices do not tell the time, as those of other implementations, and one who watches it.
struct Stream {
  Stream() {
    metadata.live = true;
    metadata.addressing = wire::AddressingMethod::chunks64;
    metadata.id = signer->public_key();
  }
  ChunkIndex first_of(std::uint64_t munro) const { return ChunkIndex{munro * metadata.munro_width}; }
  void sign(std::uint64_t munro, WallTime at) {
    const base::Bytes chunk(100, static_cast<std::byte>(munro));
    const base::ByteView view{chunk};
    source.publish(first_of(munro), {&view, 1}, at);
  }
  // Whether the watcher takes it when it is shown; `honest`: no fault of who shows it.
  bool shown(std::uint64_t munro, bool* honest = nullptr) {
    const SignedMunro& it = *source.munro(first_of(munro));
    const tree::Bin bin = tree::munro_of(first_of(munro), metadata.munro_width);
    tree::HashInbox inbox;
    inbox.offer(bin, it.hash);
    const bool fine = watcher.offer_signed({bin.range(), it.timestamp, it.signature}, inbox);
    if (honest != nullptr) *honest = fine;
    return watcher.munro(first_of(munro)) != nullptr;
  }
  bool bundled(std::uint64_t munro) { return watcher.offer_bundle(*source.bundle(munro)) == LiveContent::BundleCheck::fresh; }

  std::unique_ptr<crypto::Signer> signer = crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
  std::unique_ptr<crypto::Verifier> verifier = crypto::make_verifier(signer->public_key()).value();
  std::unique_ptr<crypto::Hasher> hasher = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  Metadata metadata;
  tree::MemoryNodeStore source_nodes, watcher_nodes;
  LiveContent source{metadata, {&source_nodes, hasher.get(), verifier.get(), signer.get()}};
  LiveContent watcher{metadata, {&watcher_nodes, hasher.get(), verifier.get(), nullptr}};
};

TEST(Staleness, what_was_signed_too_long_before_the_newest_is_let_go_and_is_nobodys_fault) {
  Stream stream;
  stream.sign(1, kNoon - kOld - seconds{1});
  stream.sign(2, kNoon - kOld);
  stream.sign(3, kNoon);
  ASSERT_TRUE(stream.shown(3));
  bool honest = false;
  EXPECT_FALSE(stream.shown(1, &honest));
  EXPECT_TRUE(honest);
  EXPECT_TRUE(stream.shown(2)) << "just young enough: somebody may have asked for it";
}

TEST(Staleness, holds_for_bundles_as_well) {
  Stream stream;
  stream.sign(1, kNoon - kOld - seconds{1});
  stream.sign(2, kNoon - kOld);
  stream.sign(3, kNoon);
  ASSERT_TRUE(stream.bundled(3));
  EXPECT_FALSE(stream.bundled(1));
  EXPECT_TRUE(stream.bundled(2));
}

TEST(Staleness, a_source_whose_clock_was_set_back_is_followed) {
  Stream stream;
  stream.sign(1, kNoon + std::chrono::hours{1});
  stream.sign(2, kNoon);
  ASSERT_TRUE(stream.shown(1));
  EXPECT_TRUE(stream.shown(2)) << "its index is newer";
}

TEST(Staleness, where_everything_is_kept_nothing_is_too_old) {
  Stream stream;
  stream.metadata.live_window = ~std::uint64_t{0};
  stream.sign(1, kNoon - std::chrono::hours{24 * 365});
  stream.sign(2, kNoon);
  ASSERT_TRUE(stream.shown(2));
  EXPECT_TRUE(stream.shown(1));
}

TEST(Staleness, at_tune_in_our_own_clock_judges) {
  Stream stream;
  stream.sign(1, kNoon);
  const SignedMunro& munro = *stream.source.munro(stream.first_of(1));
  EXPECT_FALSE(stream.source.stale_at(munro, kNoon + kOld));
  EXPECT_TRUE(stream.source.stale_at(munro, kNoon + kOld + seconds{1}));
  EXPECT_FALSE(stream.source.stale_at(munro, kNoon - std::chrono::hours{1})) << "our clock is behind";
}

}  // namespace
}  // namespace runnel::swarm
