// A static swarm on the engine's thread: the file store behind it, and reads that wait for chunks.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "crypto/hash.hpp"
#include "node/swarm_host.hpp"
#include "store/static_store.hpp"

namespace runnel::node {

class StaticHost final : public SwarmHost {
 public:
  using ReadDone = std::function<void(std::expected<base::Bytes, std::string>)>;
  // All called on the engine's thread.
  struct Events {
    std::function<void(std::uint64_t bytes)> on_size;
    std::function<void(base::Duration transfer)> on_complete;   // from the first chunk that came to the last
    std::function<void(std::string message)> on_failure;   // the disk, or the file: the swarm can not go on
  };

  StaticHost(net::EngineLoop& loop, swarm::SwarmHandle handle, std::unique_ptr<crypto::Hasher> store_hasher,
             std::unique_ptr<store::StaticStore> store, Events events);

  // Verified bytes, when they are here. `done` is called once, unless cancel(token) came before.
  void read(std::uint64_t token, std::uint64_t offset, std::size_t length, ReadDone done);
  void cancel(std::uint64_t token);
  [[nodiscard]] store::StaticStore& file() { return *store_; }
  [[nodiscard]] crypto::Hasher& tree_hasher() { return *tree_hasher_; }

  bool load(tree::ChunkRange range, base::Bytes& buffer, std::vector<base::ByteView>& chunks, base::Time now) override;
  void store(std::span<const tree::ChunkRun> runs, base::Time now) override;
  void on_event(const swarm::Event& event, base::Time now) override;
  std::optional<base::Time> on_idle(base::Time now) override;
  void close() override;

 private:
  struct Reading {
    std::uint64_t offset = 0;
    std::size_t length = 0;
    ReadDone done;
  };
  void finish(std::uint64_t token);
  void fail(const store::Error& error);
  void changed_on_disk();

  net::EngineLoop& loop_;
  swarm::SwarmHandle handle_;
  std::unique_ptr<crypto::Hasher> store_hasher_;   // the store's own
  std::unique_ptr<crypto::Hasher> tree_hasher_;    // the engine's
  std::unique_ptr<store::StaticStore> store_;
  Events events_;
  std::map<std::uint64_t, Reading> readings_;
  bool failed_ = false;
  std::optional<base::Time> first_stored_;
  base::Time last_stored_{};
};

}  // namespace runnel::node
