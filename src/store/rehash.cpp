#include "store/rehash.hpp"

#include <algorithm>
#include <bit>

namespace runnel::store {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::uint64_t kReportBytes = 4 << 20;
// Up to here a missing node is made from the chunks themselves: a lost page of the tree file holds at most such subtrees, and single
// nodes of higher layers, whose children lie on other pages.
constexpr unsigned kRebuildLayers = 8;

struct PendingNode {
  tree::Bin bin;
  crypto::Digest hash;
};

// Two zero children give a zero parent, without hashing (RFC 7574 5.1).
crypto::Digest parent_hash(crypto::Hasher& hasher, const crypto::Digest& left, const crypto::Digest& right) {
  return left.is_zero() && right.is_zero() ? left : hasher.hash_pair(left, right);
}

class Checker {
 public:
  Checker(const HashJob& job, const tree::IntervalSet& claimed, const tree::IntervalSet& trusted)
      : job_(job),
        claimed_(claimed),
        trusted_(trusted),
        chunks_(chunks_in(job.size, job.chunk_size)),
        reader_(job, (claimed.count() - std::min(claimed.count(), trusted.count())) * job.chunk_size) {}

  // Walks down from a node whose hash is proved. Recursion is as deep as the tree has layers, at most 62.
  std::expected<void, Error> check(tree::Bin bin, const crypto::Digest& hash) {
    if (!claimed_.intersects(bin.range())) return {};
    if (bin.is_leaf()) return check_leaf(bin, hash);
    auto left = child(bin.left());
    if (!left) return std::unexpected(left.error());
    auto right = child(bin.right());
    if (!right) return std::unexpected(right.error());
    if (!*left || !*right || parent_hash(job_.hasher, **left, **right) != hash) return {};   // nothing below is proved: given up
    put(bin.left(), **left);
    put(bin.right(), **right);
    if (auto done = check(bin.left(), **left); !done) return done;
    return check(bin.right(), **right);
  }

  Recheck result() && { return {std::move(good_), reader_.chunks_read()}; }

 private:
  using MaybeHash = std::optional<crypto::Digest>;

  std::expected<void, Error> check_leaf(tree::Bin bin, const crypto::Digest& hash) {
    if (trusted_.contains(bin.range().first)) {
      good_.insert(bin.range());
      return {};
    }
    const auto found = hash_chunk(bin.range().first);
    if (!found) return std::unexpected(found.error());
    if (*found == hash) good_.insert(bin.range());
    return {};
  }

  std::expected<MaybeHash, Error> hash_chunk(tree::ChunkIndex index) {
    const auto bytes = reader_.read(index);
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->size() != reader_.expected_bytes(index)) return MaybeHash{};   // the file has been cut
    return job_.hasher.hash(*bytes);
  }

  // From the tree or, where a page of it was lost, from what lies below; nullopt if that cannot be told.
  std::expected<MaybeHash, Error> child(tree::Bin bin) {
    if (past_end(bin)) return crypto::Digest{crypto::digest_size(job_.hasher.algorithm())};
    if (auto stored = job_.tree.get(bin)) return stored;
    if (bin.is_leaf()) return claimed_.contains(bin.range().first) ? hash_chunk(bin.range().first) : MaybeHash{};
    const auto below = [&](tree::Bin b) -> std::expected<MaybeHash, Error> {
      return bin.layer() <= kRebuildLayers || past_end(b) ? child(b) : job_.tree.get(b);
    };
    const auto left = below(bin.left());
    if (!left || !*left) return left;
    const auto right = below(bin.right());
    if (!right || !*right) return right;
    return parent_hash(job_.hasher, **left, **right);
  }

  void put(tree::Bin bin, const crypto::Digest& hash) {
    if (!past_end(bin)) job_.tree.put(bin, hash);   // it may have been missing
  }
  [[nodiscard]] bool past_end(tree::Bin bin) const { return bin.range().first.value() >= chunks_; }

  const HashJob& job_;
  const tree::IntervalSet& claimed_;
  const tree::IntervalSet& trusted_;
  std::uint64_t chunks_;
  ChunkReader reader_;
  tree::IntervalSet good_;
};

}  // namespace

ChunkReader::ChunkReader(const HashJob& job, std::uint64_t total_bytes) : job_(job), total_bytes_(std::min(total_bytes, job.size)) {
  buffer_.resize(std::max<std::size_t>(kReadBytes, job.chunk_size));
}

std::uint64_t ChunkReader::expected_bytes(tree::ChunkIndex index) const {
  const std::uint64_t offset = index.value() * job_.chunk_size;
  return std::min<std::uint64_t>(job_.chunk_size, job_.size - offset);
}

std::expected<base::ByteView, Error> ChunkReader::read(tree::ChunkIndex index) {
  const std::uint64_t offset = index.value() * job_.chunk_size;
  const std::uint64_t wanted = expected_bytes(index);
  if (offset < buffer_offset_ || offset + wanted > buffer_offset_ + buffer_size_) {
    if (job_.progress.cancelled && job_.progress.cancelled()) return std::unexpected(Error{Fault::cancelled, 0, job_.media.path()});
    const auto got = job_.media.read_at(offset, buffer_);
    if (!got) return std::unexpected(got.error());
    buffer_offset_ = offset;
    buffer_size_ = *got;
  }
  ++chunks_read_;
  done_bytes_ += wanted;
  if (job_.progress.report && (done_bytes_ >= reported_bytes_ + kReportBytes || done_bytes_ >= total_bytes_)) {
    reported_bytes_ = done_bytes_;
    job_.progress.report(std::min(done_bytes_, total_bytes_), total_bytes_);
  }
  const std::size_t at = static_cast<std::size_t>(offset - buffer_offset_);
  const std::size_t held = buffer_size_ > at ? buffer_size_ - at : 0;
  return base::ByteView{buffer_}.subspan(std::min(at, buffer_size_), std::min<std::size_t>(held, wanted));
}

std::expected<crypto::Digest, Error> build_tree(const HashJob& job) {
  const std::uint64_t chunks = chunks_in(job.size, job.chunk_size);
  job.media.will_read_in_order();
  ChunkReader reader(job, job.size);
  std::vector<PendingNode> pending;   // left siblings that wait for their right one: at most one per layer
  const auto join_left = [&](PendingNode node) {
    job.tree.put(node.bin, node.hash);
    while (!pending.empty() && pending.back().bin == node.bin.sibling()) {
      node = {node.bin.parent(), parent_hash(job.hasher, pending.back().hash, node.hash)};
      pending.pop_back();
      job.tree.put(node.bin, node.hash);
    }
    pending.push_back(std::move(node));
  };
  for (std::uint64_t i = 0; i < chunks; ++i) {
    const tree::ChunkIndex index{i};
    const auto bytes = reader.read(index);
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->size() != reader.expected_bytes(index)) return std::unexpected(Error{Fault::changed_on_disk, 0, job.media.path()});
    join_left({tree::Bin::leaf(index), job.hasher.hash(*bytes)});
  }
  // What is missing to a power of two are zero hashes: they join from the right, layer by layer.
  const tree::Bin root = root_bin(chunks);
  const crypto::Digest zero{crypto::digest_size(job.hasher.algorithm())};
  while (pending.back().bin != root) {
    PendingNode last = std::move(pending.back());
    pending.pop_back();
    join_left({last.bin.parent(), parent_hash(job.hasher, last.hash, zero)});
  }
  if (auto flushed = job.tree.flush(); !flushed) return std::unexpected(flushed.error());
  return pending.back().hash;
}

std::expected<Recheck, Error> recheck(const HashJob& job, const crypto::Digest& root, const tree::IntervalSet& claimed,
                                      const tree::IntervalSet& trusted) {
  if (claimed.empty()) return Recheck{};
  job.media.will_read_in_order();
  Checker checker(job, claimed, trusted);
  if (auto done = checker.check(root_bin(chunks_in(job.size, job.chunk_size)), root); !done) return std::unexpected(done.error());
  return std::move(checker).result();
}

}  // namespace runnel::store
