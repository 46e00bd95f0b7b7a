#include "store/static_store.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/log.hpp"
#include "store/identity_record.hpp"
#include "store/static_store_impl.hpp"

namespace runnel::store {

using base::Time;
using tree::ChunkIndex;
using tree::ChunkRange;

StaticStore::Impl::Impl(OpenedStore opened, crypto::Hasher& hasher, Time now)
    : s_(std::move(opened)), hasher_(hasher), identity_checked_(now), last_sync_(now), last_commit_(now), last_poll_(now) {
  for (const ChunkRange run : s_.claimed.list()) {
    if (!s_.synced.contains(run)) unsynced_.insert(run);
  }
}

StaticStore::Impl::~Impl() {
  if (auto closed = close(); !closed) base::log_warn("store", message(closed.error()));
}

std::expected<void, Error> StaticStore::Impl::set_size(std::uint64_t bytes) {
  IndexHeader& header = s_.header;
  if (header.size) return *header.size == bytes ? std::expected<void, Error>{} : std::unexpected(fault(Fault::wrong_size));
  if (bytes == 0) return std::unexpected(fault(Fault::wrong_size));
  if (bytes > kMaxFileBytes) return std::unexpected(fault(Fault::file_too_large));
  // Better to hear it now than at the end of the download.
  const std::uint64_t held = s_.media.allocated_bytes();
  const auto room = free_bytes(s_.media.path());
  if (room && bytes > held && bytes - held > *room) {
    return std::unexpected(Error{.fault = Fault::disk_full, .path = s_.media.path(), .missing_bytes = bytes - held - *room});
  }
  if (preallocate) {
    if (auto taken = s_.media.preallocate(bytes); !taken) return taken;
  }
  if (auto grown = s_.media.resize(bytes); !grown) return grown;
  if (auto known = remember_identity(); !known) return known;
  if (auto flushed = s_.tree->flush(); !flushed) return flushed;   // the peaks that proved it
  IndexHeader with_size = header;
  with_size.size = bytes;
  if (auto saved = s_.db->save_header(with_size); !saved) return saved;
  header = with_size;
  return {};
}

// The bytes of all chunks, if each has the length it must have.
std::expected<std::uint64_t, Error> StaticStore::Impl::checked_size(ChunkIndex first, std::span<const base::ByteView> chunks) const {
  if (s_.read_only) return std::unexpected(fault(Fault::read_only));
  if (!s_.header.size) return std::unexpected(fault(Fault::size_unknown));
  const std::uint64_t count = *chunk_count();
  if (first.value() >= count || chunks.size() > count - first.value()) return std::unexpected(fault(Fault::wrong_size));
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const std::uint64_t offset = (first.value() + i) * s_.header.chunk_size;
    if (chunks[i].size() != std::min<std::uint64_t>(s_.header.chunk_size, *s_.header.size - offset)) {
      return std::unexpected(fault(Fault::wrong_size));
    }
    bytes += chunks[i].size();
  }
  return bytes;
}

std::expected<void, Error> StaticStore::Impl::expect_unchanged() {
  if (changed_) return std::unexpected(fault(Fault::changed_on_disk));
  const auto identity = s_.media.identity();
  if (!identity) return std::unexpected(identity.error());
  if (!s_.read_only && s_.media.is_remote() && identity->inode == s_.identity.inode && identity->size == s_.identity.size) {
    s_.identity = *identity;   // the server tells the time of our own writes when it likes
    return {};
  }
  changed_ = *identity != s_.identity;
  if (changed_) return std::unexpected(fault(Fault::changed_on_disk));
  return {};
}

std::expected<void, Error> StaticStore::Impl::remember_identity() {
  const auto identity = s_.media.identity();
  if (!identity) return std::unexpected(identity.error());
  s_.identity = *identity;
  return write_identity_record(s_.identity_record, *identity);
}

std::expected<void, Error> StaticStore::Impl::write(std::span<const tree::ChunkRun> runs, Time now) {
  std::uint64_t bytes = 0;
  std::vector<ChunkRange>& news = news_;
  news.clear();
  for (const tree::ChunkRun& run : runs) {
    const auto size = checked_size(run.first, run.chunks);
    if (!size) return std::unexpected(size.error());
    if (run.chunks.empty() || s_.claimed.contains(run.range())) continue;
    news.push_back(run.range());
    bytes += *size;
  }
  if (news.empty()) return {};
  if (pending_bytes_ > 0 && pending_bytes_ + bytes > kCommitBytes) {
    if (auto committed = commit_pending(now); !committed) return committed;
  }
  if (auto unchanged = expect_unchanged(); !unchanged) return unchanged;
  std::expected<void, Error> written;
  for (const tree::ChunkRun& run : runs) {
    if (run.chunks.empty() || s_.claimed.contains(run.range())) continue;
    written = s_.media.write_at(run.first.value() * s_.header.chunk_size, run.chunks);
    if (!written) break;
  }
  // Even half a batch changed the file: what it looks like now is our own doing.
  if (auto known = remember_identity(); !known) return known;
  if (!written) return written;
  if (pending_.empty()) pending_since_ = now;
  for (const ChunkRange range : news) {
    pending_.push_back(range);
    s_.claimed.insert(range);
  }
  pending_bytes_ += bytes;
  // The chunks are written; if claiming them fails, the next commit() says so.
  if (pending_bytes_ >= kCommitBytes || complete()) static_cast<void>(commit_pending(now));
  return {};
}

std::expected<std::size_t, Error> StaticStore::Impl::read(std::uint64_t offset, base::MutableByteView into, Time now) {
  if (!s_.header.size) return std::unexpected(fault(Fault::size_unknown));
  if (now >= identity_checked_ + kIdentityInterval) {
    identity_checked_ = now;
    if (auto unchanged = expect_unchanged(); !unchanged) return std::unexpected(unchanged.error());
  }
  if (changed_) return std::unexpected(fault(Fault::changed_on_disk));
  if (offset >= *s_.header.size || into.empty()) return 0;
  const auto run = s_.claimed.interval_of(ChunkIndex{offset / s_.header.chunk_size});
  if (!run) return std::unexpected(fault(Fault::not_held));
  const std::uint64_t end = std::min(*s_.header.size, (run->last.value() + 1) * s_.header.chunk_size);
  into = into.first(std::min<std::uint64_t>(into.size(), end - offset));
  const auto got = s_.media.read_at(offset, into);
  if (got && *got < into.size()) {   // somebody cut it
    changed_ = true;
    return std::unexpected(fault(Fault::changed_on_disk));
  }
  return got;
}

std::expected<std::vector<ChunkRange>, Error> StaticStore::Impl::reverify(ChunkRange range, const Progress& progress) {
  if (!s_.header.size) return std::vector<ChunkRange>{};
  tree::IntervalSet asked;
  for (auto run = s_.claimed.next_at(range.first); run && run->first <= range.last;
       run = s_.claimed.next_at(ChunkIndex{run->last.value() + 1}))
    asked.insert({run->first, std::min(run->last, range.last)});
  const bool everything = asked.count() == s_.claimed.count();
  const auto before = s_.media.identity();
  if (!before) return std::unexpected(before.error());
  const HashJob job{s_.media, *s_.tree, hasher_, s_.header.chunk_size, *s_.header.size, progress};
  auto checked = recheck(job, s_.header.root, asked, tree::IntervalSet{});
  if (!checked) return std::unexpected(checked.error());
  s_.stats.rehashed_chunks += checked->hashed_chunks;
  tree::IntervalSet given_up = asked;
  for (const ChunkRange run : checked->good.list()) given_up.erase(run);
  s_.stats.given_up_chunks += given_up.count();
  for (const ChunkRange run : given_up.list()) {
    s_.claimed.erase(run);
    s_.synced.erase(run);
    unsynced_.erase(run);
    syncing_.erase(run);
  }
  if (everything) {
    s_.identity = *before;
    changed_ = false;
  }
  if (s_.read_only) return given_up.list();
  pending_.clear();
  pending_bytes_ = 0;
  if (everything) {
    if (before->size != *s_.header.size) {
      if (auto resized = s_.media.resize(*s_.header.size); !resized) return std::unexpected(resized.error());
    }
    if (auto known = remember_identity(); !known) return std::unexpected(known.error());
  }
  if (auto flushed = s_.tree->flush(); !flushed) return std::unexpected(flushed.error());
  unsynced_ = s_.claimed;   // simpler than telling apart, and only more work for the next mark
  for (const ChunkRange run : s_.synced.list()) unsynced_.erase(run);
  if (auto saved = s_.db->replace_all(s_.claimed, s_.synced, s_.header); !saved) return std::unexpected(saved.error());
  return given_up.list();
}

std::expected<void, Error> StaticStore::Impl::commit_pending(Time now) {
  if (pending_.empty()) return {};
  if (auto flushed = s_.tree->flush(); !flushed) return flushed;
  std::vector<ChunkRange>& runs = grown_;
  runs.clear();
  for (const ChunkRange range : pending_) {
    const auto run = s_.claimed.interval_of(range.first);
    if (run && (runs.empty() || runs.back() != *run)) runs.push_back(*run);
  }
  if (auto claimed = s_.db->claim(runs); !claimed) return claimed;
  for (const ChunkRange range : pending_) unsynced_.insert(range);
  unsynced_bytes_ += pending_bytes_;
  pending_.clear();
  pending_bytes_ = 0;
  last_commit_ = now;
  ++s_.stats.commits;
  return {};
}

bool StaticStore::Impl::sync_due(Time now) const {
  return !unsynced_.empty() && (unsynced_bytes_ >= kSyncBytes || now >= last_sync_ + kSyncInterval);
}

void StaticStore::Impl::start_sync(Time now) {
  syncing_ = std::exchange(unsynced_, {});
  unsynced_bytes_ = 0;
  syncing_identity_ = s_.identity;
  last_sync_ = now;
  step_ = Step::syncing;
  background_.start([this]() -> Background::Result {
    // Only file handles are used, which the owner's thread never changes.
    if (auto data = s_.media.sync(); !data) return data;
    return s_.tree->file().sync();
  });
}

// After data and tree are on the disk itself, the mark.
std::expected<void, Error> StaticStore::Impl::synced(Background::Result result) {
  const tree::IntervalSet done = std::exchange(syncing_, {});
  if (!result) {
    // The kernel may have dropped the pages that it could not write: at the next start nothing since the last mark is believed.
    for (const ChunkRange run : done.list()) unsynced_.insert(run);
    s_.header.boot_id = "fsync failed";
    static_cast<void>(s_.db->save_header(s_.header));
    return result;
  }
  std::vector<ChunkRange> runs;
  for (const ChunkRange run : done.list()) {
    s_.synced.insert(run);
    runs.push_back(*s_.synced.interval_of(run.first));
  }
  s_.header.synced_identity = syncing_identity_;
  if (auto marked = s_.db->mark_synced(runs, s_.header); !marked) {
    for (const ChunkRange run : done.list()) s_.synced.erase(run), unsynced_.insert(run);
    return marked;
  }
  ++s_.stats.sync_marks;
  return {};
}

std::expected<void, Error> StaticStore::Impl::poll_sync(Time now) {
  last_poll_ = now;
  if (auto result = background_.poll()) {
    const Step finished = std::exchange(step_, Step::none);
    if (finished == Step::checkpointing) return *result;
    if (auto marked = synced(*result); !marked) return marked;
    step_ = Step::checkpointing;
    background_.start([db = IndexPaths{s_.index_folder}.db] { return IndexDb::checkpoint(db); });
  }
  if (step_ == Step::none && sync_due(now)) start_sync(now);
  return {};
}

std::expected<void, Error> StaticStore::Impl::commit(Time now) {
  if (s_.read_only) return {};
  if (!pending_.empty() && (now >= pending_since_ + kCommitInterval || pending_bytes_ >= kCommitBytes)) {
    if (auto committed = commit_pending(now); !committed) {
      pending_since_ = now;   // next_commit() must not ask for a try at once
      return committed;
    }
  }
  return poll_sync(now);
}

std::optional<Time> StaticStore::Impl::next_commit() const {
  if (s_.read_only) return std::nullopt;
  std::optional<Time> next;
  const auto at = [&](Time time) { next = next ? std::min(*next, time) : time; };
  if (!pending_.empty()) at(pending_since_ + kCommitInterval);
  if (step_ != Step::none) {
    at(last_poll_ + kCommitInterval);
  } else if (!unsynced_.empty()) {
    at(unsynced_bytes_ >= kSyncBytes ? last_commit_ : last_sync_ + kSyncInterval);
  }
  return next;
}

std::expected<void, Error> StaticStore::Impl::close() {
  if (std::exchange(closed_, true)) return {};
  s_.lock.touch();   // the cache evicts what was not used for long
  if (s_.read_only) {
    // Without its record the index is not believed: the next one who opens it makes the lost nodes again.
    std::error_code ignored;
    if (s_.tree->damaged_pages() > 0) std::filesystem::remove(IndexPaths{s_.index_folder}.identity, ignored);
    return {};
  }
  if (auto result = background_.wait(); result && step_ == Step::syncing) {
    if (auto marked = synced(*result); !marked) return marked;
  }
  if (auto committed = commit_pending(last_commit_); !committed) return committed;
  if (auto flushed = s_.tree->flush(); !flushed) return flushed;
  for (const File* const file : std::initializer_list<const File*>{&s_.media, &s_.tree->file(), &s_.identity_record}) {
    if (auto done = file->sync(); !done) return done;
  }
  if (auto done = sync_folder(s_.index_folder); !done) return done;
  s_.header.clean = !changed_;
  syncing_ = s_.claimed;
  syncing_identity_ = s_.identity;
  if (auto marked = synced({}); !marked) return marked;
  s_.db.reset();   // the last connection moves the log into the database, with fsync
  return {};
}

StaticStore::StaticStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StaticStore::~StaticStore() = default;

std::expected<std::unique_ptr<StaticStore>, Error> StaticStore::open_seed(const SeedOptions& options, crypto::Hasher& hasher, Time now) {
  auto opened = Impl::open_seed(options, hasher);
  if (!opened) return std::unexpected(opened.error());
  return std::unique_ptr<StaticStore>(new StaticStore(std::make_unique<Impl>(std::move(*opened), hasher, now)));
}

std::expected<std::unique_ptr<StaticStore>, Error> StaticStore::open_download(const DownloadOptions& options, crypto::Hasher& hasher,
                                                                              Time now) {
  auto opened = Impl::open_download(options, hasher);
  if (!opened) return std::unexpected(opened.error());
  std::unique_ptr<StaticStore> store(new StaticStore(std::make_unique<Impl>(std::move(*opened), hasher, now)));
  store->impl_->preallocate = options.preallocate;
  if (options.size) {
    if (auto sized = store->set_size(*options.size); !sized) return std::unexpected(sized.error());
  }
  return store;
}

const crypto::Digest& StaticStore::root() const { return impl_->state().header.root; }
std::uint32_t StaticStore::chunk_size() const { return impl_->state().header.chunk_size; }
const std::filesystem::path& StaticStore::file() const { return impl_->state().media.path(); }
bool StaticStore::read_only() const { return impl_->state().read_only; }
std::optional<std::uint64_t> StaticStore::size() const { return impl_->state().header.size; }
std::optional<std::uint64_t> StaticStore::chunk_count() const { return impl_->chunk_count(); }
std::expected<void, Error> StaticStore::set_size(std::uint64_t bytes) { return impl_->set_size(bytes); }
tree::NodeStore& StaticStore::nodes() { return impl_->tree(); }
std::expected<void, Error> StaticStore::write(std::span<const tree::ChunkRun> runs, Time now) { return impl_->write(runs, now); }
std::expected<std::size_t, Error> StaticStore::read(std::uint64_t offset, base::MutableByteView into, Time now) {
  return impl_->read(offset, into, now);
}
std::vector<ChunkRange> StaticStore::verified() const { return impl_->state().claimed.list(); }
std::uint64_t StaticStore::verified_chunks() const { return impl_->state().claimed.count(); }
bool StaticStore::is_verified(ChunkIndex index) const { return impl_->state().claimed.contains(index); }
bool StaticStore::complete() const { return impl_->complete(); }
std::expected<std::vector<ChunkRange>, Error> StaticStore::reverify(ChunkRange range, const Progress& progress) {
  return impl_->reverify(range, progress);
}
std::expected<void, Error> StaticStore::commit(Time now) { return impl_->commit(now); }
std::optional<Time> StaticStore::next_commit() const { return impl_->next_commit(); }
std::expected<void, Error> StaticStore::close() { return impl_->close(); }
StaticStore::Stats StaticStore::stats() const {
  Stats stats = impl_->state().stats;
  stats.damaged_tree_pages += impl_->tree().damaged_pages();
  return stats;
}

}  // namespace runnel::store
