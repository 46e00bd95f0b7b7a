#include "net/engine_loop.hpp"

#include <gtest/gtest.h>

#include <map>

#include "core/swarm/sealing_key.hpp"
#include "core/tree/memory_node_store.hpp"
#include "crypto/openssl.hpp"
#include "net/clock.hpp"
#include "net/udp_socket.hpp"

namespace runnel::net {
namespace {

constexpr swarm::SwarmHandle kSwarm{1};
constexpr tree::ChunkIndex kFirst{64'000};

// One end of a live swarm, which keeps chunks in memory.
class End final : public EngineClient {
 public:
  explicit End(std::uint64_t seed) : loop_(socket(), {seed, crypto::os_random_seed(), crypto::os_random_seed()}, *this) {}

  void join(crypto::Signer& signer, bool source) {
    verifier_ = std::move(*crypto::make_verifier(signer.public_key()));
    swarm::AddSwarm add;
    add.swarm = kSwarm;
    add.metadata.id = signer.public_key();
    add.metadata.live = true;
    add.metadata.addressing = wire::AddressingMethod::chunks64;
    add.parts = {.nodes = &nodes_, .hasher = hasher_.get(), .verifier = verifier_.get(), .signer = source ? &signer : nullptr};
    add.sealing = swarm::SealPolicy::required;
    loop_.post([this, add] {
      loop_.sealer().add_swarm(kSwarm, swarm::sealing_key(add.metadata.id, {}));
      loop_.input(swarm::WallClock{wall_now()});
      loop_.input(add);
    });
  }
  void publish(base::Bytes record) {
    loop_.post([this, record = std::move(record)] {
      chunks_[kFirst] = record;
      loop_.input(swarm::Publish{kSwarm, kFirst, record, wall_now()});
    });
  }
  void meet(const base::Endpoint& other) {
    loop_.post([this, other] { loop_.input(swarm::AddPeers{kSwarm, {other}, true}); });
  }
  void turn() { loop_.turn(); }
  [[nodiscard]] base::Endpoint at() const { return {base::IpAddress::v4({127, 0, 0, 1}), loop_.local().port}; }
  [[nodiscard]] const std::map<tree::ChunkIndex, base::Bytes>& chunks() const { return chunks_; }

  bool load(const swarm::LoadChunks& load, base::Bytes&, std::vector<base::ByteView>& chunks, base::Time) override {
    const auto found = chunks_.find(load.range.first);
    if (found != chunks_.end()) chunks.push_back(found->second);
    return found != chunks_.end();
  }
  void store(const swarm::StoreChunks& store, base::Time) override {
    for (const tree::ChunkRun& run : store.runs) chunks_[run.first] = base::to_bytes(run.chunks[0]);
  }
  void on_event(const swarm::Event&, base::Time) override {}
  std::optional<base::Time> on_idle(base::Time) override { return std::nullopt; }

 private:
  static std::unique_ptr<DatagramSocket> socket() { return std::move(*UdpSocket::open(*base::Endpoint::parse("127.0.0.1:0"))); }

  std::unique_ptr<crypto::Hasher> hasher_ = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  std::unique_ptr<crypto::Verifier> verifier_;
  tree::MemoryNodeStore nodes_;
  std::map<tree::ChunkIndex, base::Bytes> chunks_;
  EngineLoop loop_;
};

TEST(EngineLoop, many_may_have_their_turns_in_one_thread) {
  const auto signer = crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
  End source{1};
  End viewer{2};
  source.join(*signer, true);
  viewer.join(*signer, false);
  viewer.meet(source.at());
  const base::Bytes record(700, std::byte{7});
  source.publish(record);
  for (const base::Time end = steady_now() + std::chrono::seconds{20}; viewer.chunks().empty() && steady_now() < end;) {
    source.turn();
    viewer.turn();
  }
  ASSERT_EQ(viewer.chunks().size(), 1U);
  EXPECT_EQ(viewer.chunks().at(kFirst), record);
}

}  // namespace
}  // namespace runnel::net
