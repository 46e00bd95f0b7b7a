// Sharing a file that is there already.
#include <string>

#include "base/check.hpp"
#include "store/identity_record.hpp"
#include "store/static_store_impl.hpp"

namespace runnel::store {
namespace {

constexpr std::size_t kKeyDigits = 32;

// One cache entry for one state of one file: when the file changes, its entry is another one.
std::filesystem::path cache_entry(const SeedOptions& options, const FileIdentity& identity, crypto::Hasher& hasher) {
  std::error_code ignored;
  const std::filesystem::path whole = std::filesystem::absolute(options.file, ignored);
  const std::string key = whole.string() + '\0' + std::to_string(identity.size) + '\0' + std::to_string(identity.modified_ns) + '\0' +
                          std::to_string(identity.inode) + '\0' + std::to_string(options.chunk_size) + '\0' +
                          std::to_string(static_cast<int>(hasher.algorithm()));
  return options.cache_folder / ("seed-" + base::to_hex(hasher.hash(base::as_bytes(key)).view()).substr(0, kKeyDigits));
}

// The header, if the index there is of the whole file as it is now.
std::optional<IndexHeader> usable_header(const std::filesystem::path& folder, const SeedOptions& options, const FileIdentity& identity,
                                         crypto::HashAlgorithm algorithm) {
  const IndexPaths paths(folder);
  std::error_code ignored;
  if (!std::filesystem::exists(paths.db, ignored)) return std::nullopt;
  const auto record = File::open(paths.identity, OpenMode::read);
  if (!record || read_identity_record(*record) != identity) return std::nullopt;
  auto db = IndexDb::open(paths.db);
  if (!db) return std::nullopt;
  const auto header = db->header();
  if (!header || !*header) return std::nullopt;
  const IndexHeader& h = **header;
  if (!h.clean || h.chunk_size != options.chunk_size || h.algorithm != algorithm || h.size != identity.size) return std::nullopt;
  const auto claimed = db->claimed();
  const std::uint64_t chunks = chunks_in(identity.size, options.chunk_size);
  if (!claimed || claimed->count() != chunks) return std::nullopt;
  // A page of the tree that was lost shows at its root at least; others show when they are read (docs/STORE.md).
  auto tree_file = File::open(paths.tree, OpenMode::read);
  if (!tree_file) return std::nullopt;
  TreeFile tree(std::move(*tree_file), crypto::digest_size(algorithm), true, 2);
  return tree.get(root_bin(chunks)) == h.root ? std::optional{h} : std::nullopt;
}

std::expected<OpenedStore, Error> with_index(const std::filesystem::path& folder, File lock, File media, const IndexHeader& header,
                                             const FileIdentity& identity) {
  auto tree_file = File::open(IndexPaths{folder}.tree, OpenMode::read);
  if (!tree_file) return std::unexpected(tree_file.error());
  lock.touch();   // the cache evicts what was not used for long
  OpenedStore opened{.lock = std::move(lock), .media = std::move(media), .index_folder = folder};
  opened.tree = std::make_unique<TreeFile>(std::move(*tree_file), crypto::digest_size(header.algorithm), true);
  opened.header = header;
  opened.claimed.insert({tree::ChunkIndex{0}, tree::ChunkIndex{chunks_in(identity.size, header.chunk_size) - 1}});
  opened.identity = identity;
  opened.read_only = true;
  return opened;
}

std::expected<IndexHeader, Error> build_index(const std::filesystem::path& folder, const File& media, const FileIdentity& identity,
                                              const SeedOptions& options, crypto::Hasher& hasher) {
  const IndexPaths paths(folder);
  IndexDb::remove(paths.db);
  auto tree_file = File::open(paths.tree, OpenMode::create);
  if (!tree_file) return std::unexpected(tree_file.error());
  TreeFile tree(std::move(*tree_file), crypto::digest_size(hasher.algorithm()), false);
  if (auto cleared = tree.clear(); !cleared) return std::unexpected(cleared.error());
  const auto root = build_tree({media, tree, hasher, options.chunk_size, identity.size, options.progress});
  if (!root) return std::unexpected(root.error());
  const auto after = media.identity();
  if (!after) return std::unexpected(after.error());
  if (*after != identity) return std::unexpected(Error{Fault::changed_on_disk, 0, media.path()});
  // The database says "whole" only after the tree is on the disk itself: it is believed after a power loss as well.
  if (auto synced = tree.file().sync(); !synced) return std::unexpected(synced.error());
  auto record = File::open(paths.identity, OpenMode::create);
  if (!record) return std::unexpected(record.error());
  if (auto written = write_identity_record(*record, identity); !written) return std::unexpected(written.error());
  const IndexHeader header{.root = *root,
                           .algorithm = hasher.algorithm(),
                           .chunk_size = options.chunk_size,
                           .size = identity.size,
                           .boot_id = boot_id(),
                           .clean = true,
                           .synced_identity = identity};
  tree::IntervalSet whole;
  whole.insert({tree::ChunkIndex{0}, tree::ChunkIndex{chunks_in(identity.size, options.chunk_size) - 1}});
  auto db = IndexDb::open(paths.db);
  if (!db) return std::unexpected(db.error());
  if (auto saved = db->replace_all(whole, whole, header); !saved) return std::unexpected(saved.error());
  return header;
}

}  // namespace

std::expected<OpenedStore, Error> StaticStore::Impl::open_seed(const SeedOptions& options, crypto::Hasher& hasher) {
  base::check(options.chunk_size >= kMinChunkSize && options.chunk_size <= kMaxChunkSize, "chunk size out of range");
  auto media = File::open(options.file, OpenMode::read);
  if (!media) return std::unexpected(media.error());
  const auto identity = media->identity();
  if (!identity) return std::unexpected(identity.error());
  if (identity->size == 0) return std::unexpected(Error{Fault::empty_file, 0, options.file});
  if (identity->size > kMaxFileBytes) return std::unexpected(Error{Fault::file_too_large, 0, options.file});

  // A download that was finished here needs no second tree.
  const std::filesystem::path beside = index_folder_beside(options.file);
  std::error_code ignored;
  if (std::filesystem::exists(beside / "lock", ignored)) {
    if (auto lock = lock_folder(beside, true, options.file)) {
      if (const auto header = usable_header(beside, options, *identity, hasher.algorithm())) {
        if (auto opened = with_index(beside, std::move(*lock), File{}, *header, *identity)) {
          opened->media = std::move(*media);
          return opened;
        }
      }
    }
  }

  const std::filesystem::path folder = cache_entry(options, *identity, hasher);
  auto lock = lock_folder(folder, true, options.file);
  if (!lock) return std::unexpected(lock.error());
  auto header = usable_header(folder, options, *identity, hasher.algorithm());
  if (!header) {
    if (auto alone = lock->lock(false); !alone) return std::unexpected(Error{alone.error().fault, 0, options.file});
    auto built = build_index(folder, *media, *identity, options, hasher);
    if (!built) {
      std::filesystem::remove_all(folder, ignored);   // half a tree is of no use
      return std::unexpected(built.error());
    }
    header = *built;
    if (auto shared = lock->lock(true); !shared) return std::unexpected(shared.error());
  }
  return with_index(folder, std::move(*lock), std::move(*media), *header, *identity);
}

}  // namespace runnel::store
