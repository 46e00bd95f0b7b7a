#include "sim/truth.hpp"

#include "base/check.hpp"
#include "core/tree/hash_tree.hpp"
#include "core/tree/munro.hpp"

namespace runnel::sim {
namespace {

base::Bytes random_bytes(std::size_t size, base::Rng& rng) {
  base::Bytes bytes(size);
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) base::store_big_endian(bytes.data() + at, rng());
  for (; at < size; ++at) bytes[at] = static_cast<std::byte>(rng());
  return bytes;
}

}  // namespace

wire::Format Truth::format() const {
  wire::Format format;
  format.addressing = metadata_.addressing;
  format.hash_size = crypto::digest_size(metadata_.hash);
  format.signature_size = metadata_.live ? 64 : 0;   // P-256 and Ed25519 alike
  format.chunk_size = metadata_.live ? wire::kVariableChunkSize : metadata_.chunk_size;
  format.content_size = metadata_.content_bytes.value_or(wire::kUnknownSize);
  return format;
}

// ---- file -----------------------------------------------------------------------------------------------------------

FileTruth::FileTruth(std::uint64_t bytes, std::uint32_t chunk_size, const CryptoKit& crypto, base::Rng rng)
    : content_(random_bytes(bytes, rng)) {
  metadata_.chunk_size = chunk_size;
  metadata_.content_bytes = bytes;
  const auto hasher = crypto.hasher();
  std::vector<crypto::Digest> leaves;
  for (std::uint64_t i = 0; i < chunks(); ++i) leaves.push_back(hasher->hash(*chunk(tree::ChunkIndex{i})));
  metadata_.id = base::to_bytes(tree::build_munro(nodes_, *hasher, tree::HashTree::root_bin(chunks()), leaves).view());
}

std::optional<base::ByteView> FileTruth::chunk(tree::ChunkIndex index) const {
  if (index.value() >= chunks()) return std::nullopt;
  const std::uint64_t at = index.value() * metadata_.chunk_size;
  return base::ByteView{content_}.subspan(at, std::min<std::uint64_t>(metadata_.chunk_size, bytes() - at));
}

// ---- live -----------------------------------------------------------------------------------------------------------

LiveTruth::LiveTruth(const CryptoKit& crypto, std::uint32_t chunk_size, std::uint64_t window_chunks) {
  metadata_.id = crypto.signer()->public_key();
  metadata_.live = true;
  metadata_.chunk_size = chunk_size;
  metadata_.addressing = wire::AddressingMethod::chunks64;
  metadata_.live_window = window_chunks;
}

std::optional<std::size_t> LiveTruth::munro_at(tree::ChunkIndex index) const {
  const auto found = by_number_.find(index.value() / metadata_.munro_width);
  return found == by_number_.end() ? std::nullopt : std::optional{found->second};
}

std::optional<base::ByteView> LiveTruth::chunk(tree::ChunkIndex index) const {
  const auto position = munro_at(index);
  if (!position) return std::nullopt;
  const Munro& munro = munros_[*position];
  if (index.value() >= munro.first.value() + munro.chunks) return std::nullopt;
  // The munros of a record are neighbours, and full but for the last.
  const Record& record = records_[munro.record];
  const std::uint64_t at = (index.value() - record.first.value()) * metadata_.chunk_size;
  return base::ByteView{record.bytes}.subspan(at, std::min<std::uint64_t>(metadata_.chunk_size, record.bytes.size() - at));
}

const LiveTruth::Record& LiveTruth::publish(tree::ChunkIndex first, std::size_t bytes, bool independent, base::Time now, base::Rng& rng) {
  base::check(first.value() % metadata_.munro_width == 0 && bytes > 0, "a record starts on a munro");
  const tree::ChunkIndex start = independent || records_.empty() ? first : records_.back().independent;
  records_.push_back({random_bytes(bytes, rng), first, start, now});
  bytes_ += bytes;
  std::size_t chunks = (bytes + metadata_.chunk_size - 1) / metadata_.chunk_size;
  for (std::uint64_t at = first.value(); chunks > 0; at += metadata_.munro_width) {
    const std::size_t here = std::min<std::size_t>(chunks, metadata_.munro_width);
    const bool fresh = by_number_.emplace(at / metadata_.munro_width, munros_.size()).second;
    base::check(fresh, "live indices never repeat");
    munros_.push_back({tree::ChunkIndex{at}, here, records_.size() - 1, now});
    chunks -= here;
  }
  return records_.back();
}

// ---- one node's tree ------------------------------------------------------------------------------------------------

std::optional<crypto::Digest> TruthNodeStore::get(tree::Bin bin) {
  if (false_nodes_ > 0) {
    if (auto lie = lies_.get(bin)) return lie;
  }
  return all_ || knows(bin) ? truth_.get(bin) : std::nullopt;
}

bool TruthNodeStore::knows(tree::Bin bin) const {
  const auto page = known_.find(bin.number() / kPage);
  return page != known_.end() && page->second.test(bin.number() % kPage);
}

void TruthNodeStore::put(tree::Bin bin, const crypto::Digest& hash) {
  auto truth = truth_.get(bin);
  if (!truth && origin_) {
    truth_.put(bin, hash);
    truth = hash;
  }
  if (truth == hash) {
    known_[bin.number() / kPage].set(bin.number() % kPage);
    return;
  }
  ++false_nodes_;
  lies_.put(bin, hash);
}

void TruthNodeStore::drop(tree::Bin bin) {
  if (!bin.is_leaf()) {
    drop(bin.left());
    drop(bin.right());
  }
  const auto page = known_.find(bin.number() / kPage);
  if (page == known_.end()) return;
  page->second.reset(bin.number() % kPage);
  if (page->second.none()) known_.erase(page);
}

}  // namespace runnel::sim
