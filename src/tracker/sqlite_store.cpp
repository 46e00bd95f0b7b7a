#include "tracker/sqlite_store.hpp"

#include <sqlite3.h>

#include <span>

namespace runnel::tracker {
namespace {

using base::Endpoint;
using discovery::InfoHash;

constexpr int kApplicationId = 0x52'6e'54'72;  // "RnTr": another program's database is not overwritten

std::int64_t unix_seconds(base::WallTime t) { return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count(); }

}  // namespace

// Prepared, bound, run: ends with its scope.
class SqliteStore::Statement {
 public:
  Statement(sqlite3* db, const char* sql) { sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr); }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  [[nodiscard]] bool valid() const { return statement_ != nullptr; }
  void bind(int position, std::int64_t value) { sqlite3_bind_int64(statement_, position, value); }
  // The bytes must stay until the next reset.
  void bind(int position, base::ByteView bytes) { sqlite3_bind_blob64(statement_, position, bytes.data(), bytes.size(), nullptr); }
  void bind(const Key& key) {
    bind(1, key.swarm.view());
    bind(2, std::as_bytes(std::span{key.endpoint.address.v6_octets()}));
    bind(3, std::int64_t{key.endpoint.port});
  }
  int step() { return sqlite3_step(statement_); }
  bool run() {
    const int result = sqlite3_step(statement_);
    sqlite3_reset(statement_);
    return result == SQLITE_DONE;
  }
  [[nodiscard]] std::int64_t integer(int column) { return sqlite3_column_int64(statement_, column); }
  [[nodiscard]] base::ByteView blob(int column) {
    const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
    return {data, data == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

SqliteStore::SqliteStore(StoreLimits limits) : limits_(limits), memory_(limits) {}
SqliteStore::~SqliteStore() { sqlite3_close(db_); }

std::expected<std::unique_ptr<TrackerStore>, std::string> SqliteStore::open(const std::string& file, const OpenStore& open) {
  std::unique_ptr<SqliteStore> store(new SqliteStore(open.limits));
  const auto failed = [&](const std::string& reason) { return std::unexpected("tracker store " + file + ": " + reason); };
  if (const auto prepared = store->prepare(file); !prepared) return failed(prepared.error());
  if (const auto loaded = store->load(open); !loaded) return failed(loaded.error());
  store->memory_.observe([raw = store.get()](const InfoHash& swarm, const Endpoint& endpoint) { raw->mark({swarm, endpoint}); });
  return store;
}

std::expected<void, std::string> SqliteStore::prepare(const std::string& file) {
  if (sqlite3_open_v2(file.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr) != SQLITE_OK) {
    return std::unexpected("cannot be opened (" + last_error() + ')');
  }
  // Exclusive, so that two trackers on one file are an error instead of a muddle. WAL without fsync on each commit: what was
  // committed survives the process, which is what is promised, and a power cut costs seconds, not the file.
  if (!execute("PRAGMA locking_mode=EXCLUSIVE") || !execute("PRAGMA journal_mode=WAL") || !execute("PRAGMA synchronous=NORMAL") ||
      !execute("BEGIN EXCLUSIVE")) {
    const int code = sqlite3_errcode(db_);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) return std::unexpected("in use by another tracker");
    return std::unexpected("cannot be used (" + last_error() + ')');
  }
  const auto pragma = [&](const char* sql) {
    Statement statement(db_, sql);
    return statement.valid() && statement.step() == SQLITE_ROW ? statement.integer(0) : -1;
  };
  const bool empty = pragma("SELECT count(*) FROM sqlite_master") == 0;
  if (!empty && (pragma("PRAGMA application_id") != kApplicationId || pragma("PRAGMA user_version") != kTrackerSchemaVersion)) {
    return std::unexpected(std::string{"not a tracker's file of this version; name another or move it away"});
  }
  const std::string identity =
      "PRAGMA application_id=" + std::to_string(kApplicationId) + "; PRAGMA user_version=" + std::to_string(kTrackerSchemaVersion);
  const bool made = execute(
                        "CREATE TABLE IF NOT EXISTS peer (info_hash BLOB NOT NULL, address BLOB NOT NULL, port INTEGER NOT NULL,"
                        " peer_id BLOB NOT NULL, seed INTEGER NOT NULL, seen INTEGER NOT NULL,"
                        " PRIMARY KEY (info_hash, address, port)) WITHOUT ROWID") &&
                    execute("CREATE TABLE IF NOT EXISTS swarm (info_hash BLOB PRIMARY KEY, completed INTEGER NOT NULL) WITHOUT ROWID") &&
                    execute(identity.c_str()) && execute("COMMIT");
  if (!made) return std::unexpected("cannot be written (" + last_error() + ')');
  return {};
}

std::expected<void, std::string> SqliteStore::load(const OpenStore& open) {
  const std::int64_t oldest = unix_seconds(open.wall - open.expiry);
  Statement old(db_, "DELETE FROM peer WHERE seen < ?1");
  if (!old.valid()) return std::unexpected(last_error());
  old.bind(1, oldest);
  if (!old.run()) return std::unexpected(last_error());
  Statement peers(db_, "SELECT info_hash, address, port, peer_id, seed, seen FROM peer ORDER BY seen");
  int result = SQLITE_DONE;
  while ((result = peers.step()) == SQLITE_ROW) {
    const auto swarm = InfoHash::from(peers.blob(0));
    const auto peer_id = discovery::PeerId::from(peers.blob(3));
    const base::ByteView address = peers.blob(1);
    const std::int64_t port = peers.integer(2);
    if (!swarm || !peer_id || address.size() != 16 || port < 1 || port > 65535) continue;
    std::array<std::uint8_t, 16> octets{};
    std::ranges::transform(address, octets.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
    // A wall clock that went back must not make peers immortal.
    const std::int64_t age_s = std::max<std::int64_t>(0, unix_seconds(open.wall) - peers.integer(5));
    memory_.update(*swarm, {.endpoint = {base::IpAddress::v6(octets), static_cast<std::uint16_t>(port)},
                            .peer_id = *peer_id,
                            .seed = peers.integer(4) != 0,
                            .last_seen = open.now - std::chrono::seconds{age_s}});
  }
  if (result != SQLITE_DONE) return std::unexpected("damaged (" + last_error() + ')');
  Statement swarms(db_, "SELECT info_hash, completed FROM swarm");
  while ((result = swarms.step()) == SQLITE_ROW) {
    if (const auto swarm = InfoHash::from(swarms.blob(0))) memory_.set_completed(*swarm, static_cast<std::uint32_t>(swarms.integer(1)));
  }
  if (result != SQLITE_DONE) return std::unexpected("damaged (" + last_error() + ')');
  if (!execute("DELETE FROM swarm WHERE info_hash NOT IN (SELECT info_hash FROM peer)")) return std::unexpected(last_error());
  return {};
}

void SqliteStore::count_completed(const InfoHash& swarm) {
  memory_.count_completed(swarm);
  if (dirty_swarms_.size() < limits_.max_unwritten) dirty_swarms_.insert(swarm);
}

void SqliteStore::mark(const Key& key) {
  if (rewrite_) return;
  dirty_.insert(key);
  if (dirty_.size() <= limits_.max_unwritten) return;
  dirty_.clear();
  rewrite_ = true;
}

std::expected<void, std::string> SqliteStore::flush(base::Time now, base::WallTime wall) {
  if (rewrite_) {
    rewrite_ = false;
    memory_.for_each([this](const InfoHash& swarm, const PeerRecord& peer) { dirty_.insert({swarm, peer.endpoint}); });
    if (!execute("DELETE FROM peer")) {
      rewrite_ = true;
      dirty_.clear();
      return std::unexpected(last_error());
    }
  }
  if (dirty_.empty() && dirty_swarms_.empty()) return {};
  const std::size_t count = std::min(dirty_.size(), kMaxRowsPerFlush);
  if (!execute("BEGIN IMMEDIATE")) return std::unexpected(last_error());
  if (!write_rows(now, wall, count) || !execute("COMMIT")) {
    const std::string error = last_error();
    (void)execute("ROLLBACK");
    return std::unexpected(error);
  }
  dirty_.erase(dirty_.begin(), std::next(dirty_.begin(), static_cast<std::ptrdiff_t>(count)));
  dirty_swarms_.clear();
  return {};
}

bool SqliteStore::write_rows(base::Time now, base::WallTime wall, std::size_t count) {
  Statement put(db_, "INSERT OR REPLACE INTO peer VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
  Statement drop(db_, "DELETE FROM peer WHERE info_hash = ?1 AND address = ?2 AND port = ?3");
  Statement completed(db_, "INSERT OR REPLACE INTO swarm VALUES (?1, ?2)");
  if (!put.valid() || !drop.valid() || !completed.valid()) return false;
  auto key = dirty_.begin();
  for (std::size_t i = 0; i < count; ++i, ++key) {
    const PeerRecord* peer = memory_.find(key->swarm, key->endpoint);
    if (peer == nullptr) {
      drop.bind(*key);
      if (!drop.run()) return false;
      continue;
    }
    put.bind(*key);
    put.bind(4, peer->peer_id.view());
    put.bind(5, std::int64_t{peer->seed ? 1 : 0});
    put.bind(6, unix_seconds(wall - (now - peer->last_seen)));
    if (!put.run()) return false;
  }
  for (const InfoHash& swarm : dirty_swarms_) {
    const auto counts = memory_.counts(swarm);
    if (!counts) continue;
    completed.bind(1, swarm.view());
    completed.bind(2, std::int64_t{counts->completed});
    if (!completed.run()) return false;
  }
  return true;
}

bool SqliteStore::execute(const char* sql) { return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK; }
std::string SqliteStore::last_error() const { return db_ == nullptr ? "no memory" : sqlite3_errmsg(db_); }

}  // namespace runnel::tracker
