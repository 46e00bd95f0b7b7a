// A live swarm on the engine's thread: the window of its chunks, and its munros in order for the player.
#pragma once
#include <functional>
#include <memory>

#include "core/tree/memory_node_store.hpp"
#include "crypto/certificate.hpp"
#include "crypto/sign.hpp"
#include "node/live_beginning.hpp"
#include "node/munro_order.hpp"
#include "node/swarm_host.hpp"
#include "store/live_window.hpp"

namespace runnel::node {

class LiveHost final : public SwarmHost {
 public:
  // The verified bytes of one munro; munros come in ascending order. Called on the engine's thread.
  struct Munro {
    tree::ChunkRange range;
    base::Bytes bytes;
    base::WallTime signed_at{};   // by the source's clock
  };
  using OnMunro = std::function<void(Munro munro)>;

  // `signer`: at the source, else nullptr; then `on_munro` is not called.
  LiveHost(net::EngineLoop& loop, swarm::SwarmHandle handle, const swarm::Metadata& metadata, crypto::Signer* signer, OnMunro on_munro);

  [[nodiscard]] swarm::SwarmParts parts();
  void publish(tree::ChunkIndex first, base::ByteView record, base::WallTime now);

  bool load(tree::ChunkRange range, base::Bytes& buffer, std::vector<base::ByteView>& chunks, base::Time now) override;
  void store(std::span<const tree::ChunkRun> runs, base::Time now) override;
  void on_event(const swarm::Event& event, base::Time now) override;
  std::optional<base::Time> on_idle(base::Time now) override;
  void close() override {}

 private:
  // Newcomers are told where a player may begin, as what stands there tells it.
  void note_beginning(tree::ChunkIndex first, base::ByteView bytes);
  void tune_in();
  // Where a player must begin that is handed this munro first; nullopt: it can not tell.
  [[nodiscard]] std::optional<tree::ChunkIndex> begin_at(tree::ChunkRange munro) const;
  void begin(tree::ChunkIndex first);
  // Whether all bytes of the record that begins there have come.
  [[nodiscard]] bool whole(tree::ChunkIndex record) const;
  void deliver(base::Time now);
  // Whether nothing is missing between what was delivered last and this munro, as far as it tells.
  [[nodiscard]] bool follows(tree::ChunkRange munro) const;
  [[nodiscard]] base::Bytes bytes_of(tree::ChunkRange munro) const;

  net::EngineLoop& loop_;
  swarm::SwarmHandle handle_;
  bool records_;                              // docs/STREAM.md; else a plain transport stream
  std::size_t chunk_size_;
  tree::MemoryNodeStore nodes_;
  std::unique_ptr<crypto::Hasher> hasher_;
  std::unique_ptr<crypto::Verifier> verifier_;
  crypto::Signer* signer_;
  std::unique_ptr<crypto::CertificateIssuer> certificate_issuer_;     // at the source
  std::unique_ptr<crypto::CertificateChecker> certificate_checker_;   // at viewers
  OnMunro on_munro_;
  store::LiveWindow window_;
  MunroOrder order_;
  LiveBeginning beginning_;
  bool tuned_ = false;
  std::optional<tree::ChunkIndex> delivered_; // up to here
  std::optional<tree::ChunkIndex> told_beginning_;
  base::WallTime last_wall_{};
};

}  // namespace runnel::node
