// Inside of StaticStore: opening stands in open_seed.cpp and open_download.cpp, the rest in static_store.cpp.
#pragma once
#include "core/tree/interval_set.hpp"
#include "store/background.hpp"
#include "store/file.hpp"
#include "store/index_db.hpp"
#include "store/rehash.hpp"
#include "store/static_store.hpp"
#include "store/tree_file.hpp"

namespace runnel::store {

// Names inside an index folder, beside "lock".
struct IndexPaths {
  explicit IndexPaths(const std::filesystem::path& folder)
      : db(folder / "index.db"), tree(folder / "tree"), identity(folder / "identity") {}
  std::filesystem::path db;
  std::filesystem::path tree;
  std::filesystem::path identity;
};

// What opening hands over.
struct OpenedStore {
  File lock;                              // last to be closed
  File media;
  std::filesystem::path index_folder;
  std::unique_ptr<TreeFile> tree;
  std::optional<IndexDb> db;              // none for a seed
  File identity_record;                   // not open for a seed
  IndexHeader header;
  tree::IntervalSet claimed;
  tree::IntervalSet synced;
  FileIdentity identity;
  bool read_only = false;
  StaticStore::Stats stats;
};

class StaticStore::Impl {
 public:
  Impl(OpenedStore opened, crypto::Hasher& hasher, base::Time now);
  ~Impl();

  static std::expected<OpenedStore, Error> open_seed(const SeedOptions& options, crypto::Hasher& hasher);
  static std::expected<OpenedStore, Error> open_download(const DownloadOptions& options, crypto::Hasher& hasher);

  std::expected<void, Error> set_size(std::uint64_t bytes);
  std::expected<void, Error> write(std::span<const tree::ChunkRun> runs, base::Time now);
  std::expected<std::size_t, Error> read(std::uint64_t offset, base::MutableByteView into, base::Time now);
  std::expected<std::vector<tree::ChunkRange>, Error> reverify(tree::ChunkRange range, const Progress& progress);
  std::expected<void, Error> commit(base::Time now);
  [[nodiscard]] std::optional<base::Time> next_commit() const;
  std::expected<void, Error> close();

  [[nodiscard]] const OpenedStore& state() const { return s_; }
  [[nodiscard]] TreeFile& tree() { return *s_.tree; }
  [[nodiscard]] std::optional<std::uint64_t> chunk_count() const {
    return s_.header.size ? std::optional{chunks_in(*s_.header.size, s_.header.chunk_size)} : std::nullopt;
  }
  [[nodiscard]] bool complete() const { return s_.header.size && s_.claimed.count() == *chunk_count(); }

  bool preallocate = false;

 private:
  enum class Step { none, syncing, checkpointing };

  [[nodiscard]] Error fault(Fault what) const { return {what, 0, s_.media.path()}; }
  std::expected<std::uint64_t, Error> checked_size(tree::ChunkIndex first, std::span<const base::ByteView> chunks) const;
  std::expected<void, Error> expect_unchanged();
  std::expected<void, Error> remember_identity();
  std::expected<void, Error> commit_pending(base::Time now);
  std::expected<void, Error> poll_sync(base::Time now);
  std::expected<void, Error> synced(Background::Result result);
  void start_sync(base::Time now);
  [[nodiscard]] bool sync_due(base::Time now) const;

  OpenedStore s_;
  crypto::Hasher& hasher_;
  bool changed_ = false;                       // the media file is not what was verified
  base::Time identity_checked_;
  std::vector<tree::ChunkRange> pending_;      // written, not claimed
  std::vector<tree::ChunkRange> news_;         // scratch of write()
  std::vector<tree::ChunkRange> grown_;        // scratch of commit_pending()
  std::uint64_t pending_bytes_ = 0;
  base::Time pending_since_;
  tree::IntervalSet unsynced_;                          // claimed since the last sync began
  std::uint64_t unsynced_bytes_ = 0;
  tree::IntervalSet syncing_;
  FileIdentity syncing_identity_;
  Step step_ = Step::none;
  base::Time last_sync_;
  base::Time last_commit_;
  base::Time last_poll_;
  bool closed_ = false;
  Background background_;                      // last: its job uses the files
};

}  // namespace runnel::store
