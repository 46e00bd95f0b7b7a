// The SQLite side of the file store: what the file is, and which chunks of it are verified.
#pragma once
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "core/tree/interval_set.hpp"
#include "crypto/hash.hpp"
#include "store/error.hpp"
#include "store/file.hpp"

struct sqlite3;

namespace runnel::store {

struct IndexHeader {
  crypto::Digest root;
  crypto::HashAlgorithm algorithm = crypto::HashAlgorithm::sha256;
  std::uint32_t chunk_size = 0;                  // bytes
  std::optional<std::uint64_t> size;             // bytes of the media file
  std::string boot_id;                           // under which it was last written
  bool clean = false;                            // closed in order: everything claimed is synced
  std::optional<FileIdentity> synced_identity;   // of the media file at the last sync mark
};

// WAL with synchronous=NORMAL: a commit is a write without fsync, and what a crash leaves is always a state that once was
// committed. One owner, not thread-safe; checkpoint() uses a connection of its own and may run on another thread.
class IndexDb {
 public:
  // Fault::damaged_index when it is not a database, or one of a later version.
  static std::expected<IndexDb, Error> open(const std::filesystem::path& file);
  ~IndexDb();
  IndexDb(IndexDb&&) noexcept;
  IndexDb& operator=(IndexDb&&) noexcept;

  [[nodiscard]] std::expected<std::optional<IndexHeader>, Error> header();
  std::expected<void, Error> save_header(const IndexHeader& header);
  // The ranges claimed: verified, and written before their row was.
  [[nodiscard]] std::expected<tree::IntervalSet, Error> claimed();
  // The part of them that was on the disk itself at the last sync mark.
  [[nodiscard]] std::expected<tree::IntervalSet, Error> synced();
  // Each a whole run of what is claimed now; it takes the place of the rows within it.
  std::expected<void, Error> claim(std::span<const tree::ChunkRange> runs);
  std::expected<void, Error> mark_synced(std::span<const tree::ChunkRange> runs, const IndexHeader& header);
  std::expected<void, Error> replace_all(const tree::IntervalSet& claimed, const tree::IntervalSet& synced, const IndexHeader& header);

  // Moves the log into the database, with fsync.
  static std::expected<void, Error> checkpoint(const std::filesystem::path& file);
  // Removes the database and its log.
  static void remove(const std::filesystem::path& file);

 private:
  struct Closer {
    void operator()(sqlite3* db) const;
  };
  using Handle = std::unique_ptr<sqlite3, Closer>;
  class Statement;
  class Transaction;
  struct ClaimStatements;
  IndexDb(Handle db, std::filesystem::path file);
  static std::expected<Handle, Error> connect(const std::filesystem::path& file, bool create);
  static Error failure(sqlite3* db, const std::filesystem::path& file);
  std::expected<void, Error> execute(const char* sql);
  std::expected<void, Error> put_runs(const char* table, std::span<const tree::ChunkRange> runs);
  std::expected<void, Error> put_runs(Statement& remove, Statement& insert, std::span<const tree::ChunkRange> runs);
  std::expected<void, Error> run_once(Statement& statement);
  std::expected<tree::IntervalSet, Error> load_runs(const char* table);

  Handle db_;
  std::filesystem::path file_;
  std::unique_ptr<ClaimStatements> claim_;
};

}  // namespace runnel::store
