// The tracker's table in an SQLite file beside memory: reads never touch the disk, changes go there once a second in one
// transaction, so that kill -9 costs at most the last second.
#pragma once
#include <set>

#include "tracker/memory_store.hpp"

struct sqlite3;

namespace runnel::tracker {

constexpr std::size_t kMaxRowsPerFlush = 20'000;    // about 100 ms; what is left goes with the next
constexpr int kTrackerSchemaVersion = 1;

class SqliteStore : public TrackerStore {
 public:
  // Loads what has not expired. The file is ours alone while it is open. The error is a text for the user.
  static std::expected<std::unique_ptr<TrackerStore>, std::string> open(const std::string& file, const OpenStore& open);
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  UpdateOutcome update(const discovery::InfoHash& swarm, const PeerRecord& peer) override { return memory_.update(swarm, peer); }
  void remove(const discovery::InfoHash& swarm, const base::Endpoint& endpoint) override { memory_.remove(swarm, endpoint); }
  void count_completed(const discovery::InfoHash& swarm) override;
  [[nodiscard]] std::optional<discovery::SwarmCounts> counts(const discovery::InfoHash& swarm) const override {
    return memory_.counts(swarm);
  }
  void sample(const discovery::InfoHash& swarm, std::size_t count, const Filter& accept, base::Rng& rng,
              std::vector<base::Endpoint>& out) const override {
    memory_.sample(swarm, count, accept, rng, out);
  }
  void expire(base::Time limit) override { memory_.expire(limit); }
  std::expected<void, std::string> flush(base::Time now, base::WallTime wall) override;
  [[nodiscard]] StoreTotals totals() const override { return memory_.totals(); }

 private:
  struct Key {
    discovery::InfoHash swarm;
    base::Endpoint endpoint;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  class Statement;

  explicit SqliteStore(StoreLimits limits);
  std::expected<void, std::string> prepare(const std::string& file);
  std::expected<void, std::string> load(const OpenStore& open);
  bool write_rows(base::Time now, base::WallTime wall, std::size_t count);
  void mark(const Key& key);
  [[nodiscard]] bool execute(const char* sql);
  [[nodiscard]] std::string last_error() const;

  sqlite3* db_ = nullptr;
  StoreLimits limits_;
  MemoryStore memory_;
  std::set<Key> dirty_;
  std::set<discovery::InfoHash> dirty_swarms_;
  bool rewrite_ = false;
};

}  // namespace runnel::tracker
