// Beginning or resuming a download.
#include "base/check.hpp"
#include "store/identity_record.hpp"
#include "store/static_store_impl.hpp"

namespace runnel::store {

using tree::ChunkIndex;

namespace {

tree::IntervalSet all_chunks(std::uint64_t bytes, std::uint32_t chunk_size) {
  tree::IntervalSet all;
  if (bytes > 0) all.insert({ChunkIndex{0}, ChunkIndex{chunks_in(bytes, chunk_size) - 1}});
  return all;
}

class Opener {
 public:
  Opener(const DownloadOptions& options, crypto::Hasher& hasher) : options_(options), hasher_(hasher) {}

  std::expected<OpenedStore, Error> open() {
    if (auto files = open_files(); !files) return std::unexpected(files.error());
    auto header = s_.db->header();
    if (!header) return std::unexpected(header.error());
    const auto restored = *header ? resume(**header) : begin();
    if (!restored) {
      if (index_is_new_) forget_index();
      return std::unexpected(restored.error());
    }
    if (auto saved = save(); !saved) return std::unexpected(saved.error());
    return std::move(s_);
  }

 private:
  std::expected<void, Error> open_files() {
    std::error_code ignored;
    const std::filesystem::path parent = options_.file.parent_path().empty() ? "." : options_.file.parent_path();
    if (!std::filesystem::is_directory(parent, ignored)) return std::unexpected(Error{Fault::no_folder, 0, options_.file});
    auto media = File::open(options_.file, OpenMode::create);
    if (!media) return std::unexpected(media.error());
    s_.media = std::move(*media);
    s_.index_folder = options_.index_folder.empty() ? index_folder_beside(options_.file) : options_.index_folder;
    const IndexPaths paths(s_.index_folder);
    index_is_new_ = !std::filesystem::exists(paths.db, ignored);
    auto lock = lock_folder(s_.index_folder, false, options_.file);
    if (!lock) return std::unexpected(lock.error());
    s_.lock = std::move(*lock);
    s_.lock.touch();
    auto db = IndexDb::open(paths.db);
    if (!db && db.error().fault == Fault::damaged_index) {
      // The tree tells which chunks are right, without a list of them: only time is lost.
      IndexDb::remove(paths.db);
      db = IndexDb::open(paths.db);
    }
    if (!db) return std::unexpected(db.error());
    s_.db = std::move(*db);
    auto tree = File::open(paths.tree, OpenMode::create);
    if (!tree) return std::unexpected(tree.error());
    s_.tree = std::make_unique<TreeFile>(std::move(*tree), crypto::digest_size(hasher_.algorithm()), false);
    auto record = File::open(paths.identity, OpenMode::create);
    if (!record) return std::unexpected(record.error());
    s_.identity_record = std::move(*record);
    const auto identity = s_.media.identity();
    if (!identity) return std::unexpected(identity.error());
    s_.identity = *identity;
    return {};
  }

  // There is no index, or it was damaged.
  std::expected<void, Error> begin() {
    s_.header = {.root = options_.root, .algorithm = hasher_.algorithm(), .chunk_size = options_.chunk_size, .size = std::nullopt};
    if (s_.identity.size == 0) return s_.tree->clear();
    const std::uint64_t size = s_.identity.size;
    if (!index_is_new_) {
      if (auto found = check(size, all_chunks(size, options_.chunk_size), {}); !found) return found;
      if (!s_.claimed.empty()) {
        s_.header.size = size;
        return {};
      }
    }
    // Perhaps it is the whole file, come here in another way.
    if (options_.size && *options_.size != size) return std::unexpected(Error{Fault::exists, 0, options_.file});
    if (auto cleared = s_.tree->clear(); !cleared) return cleared;
    const auto root = build_tree(job(size));
    if (!root) return std::unexpected(root.error());
    s_.stats.rehashed_chunks += chunks_in(size, options_.chunk_size);
    if (*root != options_.root) return std::unexpected(Error{Fault::exists, 0, options_.file});
    s_.header.size = size;
    s_.claimed = all_chunks(size, options_.chunk_size);
    return {};
  }

  std::expected<void, Error> resume(const IndexHeader& header) {
    if (header.root != options_.root || header.algorithm != hasher_.algorithm() || header.chunk_size != options_.chunk_size) {
      return std::unexpected(Error{Fault::other_swarm, 0, options_.file});
    }
    if (header.size && options_.size && *header.size != *options_.size) return std::unexpected(Error{Fault::wrong_size, 0, options_.file});
    s_.header = header;
    auto claimed = s_.db->claimed();
    if (!claimed) return std::unexpected(claimed.error());
    auto synced = s_.db->synced();
    if (!synced) return std::unexpected(synced.error());
    if (s_.identity.size == 0) {   // the media file was removed: begin again, the tree is still right
      s_.stats.given_up_chunks += claimed->count();
      return {};
    }
    const auto record = read_identity_record(s_.identity_record);
    if (header.size && !claimed->empty()) {
      if (auto judged = judge(header, record, std::move(*claimed), std::move(*synced)); !judged) return judged;
    }
    // Another file in its place, and nothing of the swarm in it: it is somebody's, and must not be written over.
    const bool same_file =
        record ? record->inode == s_.identity.inode : header.synced_identity && header.synced_identity->inode == s_.identity.inode;
    if (s_.claimed.empty() && !same_file && s_.media.allocated_bytes() > 0) {
      return std::unexpected(Error{Fault::exists, 0, options_.file});
    }
    return {};
  }

  // What of the claims can be believed as it is, and what has to be hashed first.
  std::expected<void, Error> judge(const IndexHeader& header, const std::optional<FileIdentity>& record, tree::IntervalSet claimed,
                                   tree::IntervalSet synced) {
    const bool power_lost = !header.clean && header.boot_id != boot_id();
    if (!power_lost) {
      if (record != s_.identity) return check(*header.size, claimed, {});
      s_.claimed = std::move(claimed);
      s_.synced = std::move(synced);
      return {};
    }
    // Of our last writes any number may have reached the disk, and the file's time with them; one outside that span is not ours.
    const bool ours = record && header.synced_identity && s_.identity.inode == header.synced_identity->inode &&
                      s_.identity.modified_ns >= header.synced_identity->modified_ns && s_.identity.modified_ns <= record->modified_ns;
    return check(*header.size, claimed, ours ? synced : tree::IntervalSet{});
  }

  std::expected<void, Error> check(std::uint64_t size, const tree::IntervalSet& claimed, const tree::IntervalSet& trusted) {
    auto checked = recheck(job(size), options_.root, claimed, trusted);
    if (!checked) return std::unexpected(checked.error());
    s_.stats.rehashed_chunks += checked->hashed_chunks;
    s_.stats.given_up_chunks += claimed.count() - checked->good.count();
    s_.claimed = std::move(checked->good);
    s_.synced.clear();   // the next mark writes them all: what was read may have come from memory
    return {};
  }

  std::expected<void, Error> save() {
    if (s_.header.size && s_.identity.size != *s_.header.size) {
      if (auto resized = s_.media.resize(*s_.header.size); !resized) return resized;
    }
    const auto identity = s_.media.identity();
    if (!identity) return std::unexpected(identity.error());
    s_.identity = *identity;
    if (auto flushed = s_.tree->flush(); !flushed) return flushed;
    s_.header.boot_id = boot_id();
    s_.header.clean = false;
    if (auto saved = s_.db->replace_all(s_.claimed, s_.synced, s_.header); !saved) return saved;
    // After the claims: until here a crash leaves the old record, and everything is hashed once more.
    return write_identity_record(s_.identity_record, s_.identity);
  }

  // Not ours: leave no trace beside somebody's file.
  void forget_index() {
    s_.db.reset();
    s_.tree.reset();
    std::error_code ignored;
    std::filesystem::remove_all(s_.index_folder, ignored);
  }

  [[nodiscard]] HashJob job(std::uint64_t size) { return {s_.media, *s_.tree, hasher_, options_.chunk_size, size, options_.progress}; }

  const DownloadOptions& options_;
  crypto::Hasher& hasher_;
  OpenedStore s_;
  bool index_is_new_ = false;
};

}  // namespace

std::filesystem::path index_folder_beside(const std::filesystem::path& file) {
  return file.parent_path() / ("." + file.filename().string() + ".runnel");
}

std::expected<OpenedStore, Error> StaticStore::Impl::open_download(const DownloadOptions& options, crypto::Hasher& hasher) {
  base::check(options.chunk_size >= kMinChunkSize && options.chunk_size <= kMaxChunkSize, "chunk size out of range");
  base::check(options.root.size() == crypto::digest_size(hasher.algorithm()), "a root of another hash algorithm");
  return Opener(options, hasher).open();
}

}  // namespace runnel::store
