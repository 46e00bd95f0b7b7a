#include "core/swarm/content.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace runnel::swarm {

using tree::Bin;
using tree::ChunkIndex;
using tree::ChunkRange;
using tree::LeafCheck;

bool Content::offer(std::span<const tree::NodeHash> offered, tree::HashInbox& inbox) {
  for (const tree::NodeHash& node : offered) {
    if (!node.bin.is_leaf()) inbox.offer(node.bin, node.hash);
  }
  if (!try_leaf_list(offered, inbox)) return false;
  for (const tree::NodeHash& node : offered) {
    if (node.bin.is_leaf() && !tree_.known(node.bin)) inbox.offer(node.bin, node.hash);
  }
  return true;
}

bool Content::try_leaf_list(std::span<const tree::NodeHash> offered, const tree::HashInbox& inbox) {
  const auto leaf = std::ranges::find_if(offered, [](const tree::NodeHash& n) { return n.bin.is_leaf(); });
  if (leaf == offered.end()) return true;
  const auto leaves = offered.subspan(static_cast<std::size_t>(leaf - offered.begin()));
  const ChunkIndex first = leaves[0].bin.range().first;
  const auto limit = top(first);
  if (!limit || leaves.size() < 4) return true;
  const Bin block = Bin::at(std::min(kBlockLayer, limit->layer()), first.value() >> std::min(kBlockLayer, limit->layer()));
  if (block.range().first != first || leaves.size() > block.range().count()) return true;
  leaves_.clear();
  for (std::uint64_t i = 0; i < block.range().count(); ++i) {
    if (i < leaves.size()) {
      if (leaves[i].bin != Bin::leaf(ChunkIndex{first.value() + i})) return true;
      leaves_.push_back(leaves[i].hash);
    } else {
      const auto zero = tree_.known(Bin::leaf(ChunkIndex{first.value() + i}));
      if (!zero) return true;
      leaves_.push_back(*zero);
    }
  }
  return tree_.verify_leaves(block, leaves_, inbox) != LeafCheck::mismatch;
}

// ---- static ---------------------------------------------------------------------------------------------------------

StaticContent::StaticContent(const Metadata& metadata, const SwarmParts& parts)
    : Content(metadata, parts), root_(base::ByteView{metadata.id}) {
  if (!metadata.content_bytes) return;
  bytes_ = metadata.content_bytes;
  tree_.set_content((*bytes_ + metadata.chunk_size - 1) / metadata.chunk_size, root_);
}

std::optional<ChunkRange> StaticContent::plausible(ChunkRange range) const {
  if (!chunks()) return range;
  const ChunkIndex last{std::min(range.last.value(), *chunks() - 1)};
  return range.first <= last ? std::optional{ChunkRange{range.first, last}} : std::nullopt;
}

std::optional<Bin> StaticContent::top(ChunkIndex) const {
  if (!chunks()) return std::nullopt;
  return tree::HashTree::root_bin(*chunks());
}

Bin StaticContent::block_of(ChunkIndex index) const {
  const unsigned layer = std::min(kBlockLayer, tree::HashTree::root_bin(*chunks()).layer());
  return Bin::at(layer, index.value() >> layer);
}

bool StaticContent::offer(std::span<const tree::NodeHash> offered, tree::HashInbox& inbox) {
  // Peaks come first, widest first, from chunk 0 on without a gap (RFC 7574 5.6.2).
  std::size_t peaks = 0;
  std::uint64_t next = 0;
  while (!peaks_known_ && peaks < offered.size() && offered[peaks].bin.range().first.value() == next)
    next = offered[peaks++].bin.range().last.value() + 1;
  if (peaks == 1 && offered[0].bin.is_leaf()) {
    // The root, as a peak, would make one chunk of any swarm. A file that has no more needs none (8.16): check() knows it by its chunk.
    offered = offered.subspan(1);
  } else if (peaks > 0) {
    if (tree_.learn_peaks(offered.first(peaks), root_)) {
      peaks_known_ = true;
      offered = offered.subspan(peaks);
    }
  }
  return Content::offer(offered, inbox);
}

bool StaticContent::right_length(ChunkIndex index, std::size_t size) const {
  if (index.value() + 1 < *chunks()) return size == metadata_.chunk_size;
  if (bytes_) return size == *bytes_ - index.value() * metadata_.chunk_size;
  return size <= metadata_.chunk_size;
}

LeafCheck StaticContent::check(ChunkIndex index, base::ByteView payload, const tree::HashInbox& inbox) {
  const crypto::Digest leaf = tree_.hasher().hash(payload);
  if (!chunks()) {
    // A single chunk needs no INTEGRITY (RFC 7574 8.16). But the root's two children, joined, hash to the root as well: without
    // a size from the link, that length is never believed.
    if (index.value() != 0 || leaf != root_ || payload.size() == 2 * root_.size()) return LeafCheck::missing_hashes;
    tree_.set_content(1, root_);
  }
  if (index.value() >= *chunks() || !right_length(index, payload.size())) return LeafCheck::mismatch;
  const LeafCheck result = tree_.verify_leaf(index, leaf, inbox);
  if (result == LeafCheck::verified && !bytes_ && index.value() + 1 == *chunks())
    bytes_ = index.value() * metadata_.chunk_size + payload.size();
  return result;
}

// ---- live -----------------------------------------------------------------------------------------------------------

LiveContent::LiveContent(const Metadata& metadata, const SwarmParts& parts)
    : Content(metadata, parts), form_(metadata_), nodes_(*parts.nodes), verifier_(parts.verifier), signer_(parts.signer) {
  base::check(verifier_ != nullptr, "a live swarm needs a verifier");
}

std::optional<ChunkRange> LiveContent::plausible(ChunkRange range) const {
  const ChunkIndex first = std::max(range.first, lowest_);
  return first <= range.last ? std::optional{ChunkRange{first, range.last}} : std::nullopt;
}

bool LiveContent::longer_than_window(wire::NtpTimestamp from, wire::NtpTimestamp until) const {
  return form_.longer_apart(from, until, form_.window_seconds() + kStaleMarginSeconds);
}

bool LiveContent::too_old(Bin munro, wire::NtpTimestamp timestamp) const {
  if (munros_.empty()) return false;
  const auto& [newest, of_newest] = *munros_.rbegin();
  return munro.offset() < newest && longer_than_window(timestamp, of_newest.timestamp);
}

bool LiveContent::stale_at(const SignedMunro& munro, base::WallTime now) const {
  return longer_than_window(munro.timestamp, form_.stamp(now));
}

bool LiveContent::replayed(const crypto::Digest& hash) const {
  return !form_.signs_place() && std::ranges::any_of(munros_, [&](const auto& munro) { return munro.second.hash == hash; });
}

bool LiveContent::offer_signed(const wire::SignedIntegrity& message, const tree::HashInbox& inbox) {
  const Bin munro = *Bin::of(message.range);
  if (munro != tree::munro_of(message.range.first, metadata_.munro_width)) return false;
  if (munros_.contains(munro.offset()) || message.range.first < lowest_ || too_old(munro, message.timestamp)) return true;
  const crypto::Digest* hash = inbox.find(munro);
  if (!hash) return true;  // its INTEGRITY was lost: not the peer's fault
  if (replayed(*hash)) return true;  // who passes it on may have been deceived
  if (!verifier_->verify(form_.signed_bytes(munro, message.timestamp, hash->view()), message.signature)) return false;
  if (munros_.size() >= kMaxMunros) return true;
  tree_.trust(munro, *hash);
  munros_.emplace(munro.offset(), SignedMunro{message.timestamp, base::to_bytes(message.signature), *hash,
                                              form_.full_munros() ? std::optional{metadata_.munro_width} : std::nullopt, false});
  return true;
}

LiveContent::BundleCheck LiveContent::offer_bundle(const Bundle& bundle) {
  const ChunkIndex first = chunk_of(bundle.munro, 0);
  const Bin bin = tree::munro_of(first, metadata_.munro_width);
  const auto known = munros_.find(bin.offset());
  if (first < lowest_) return BundleCheck::known;
  if (known == munros_.end() && too_old(bin, bundle.timestamp)) return BundleCheck::known;
  const std::vector<tree::NodeHash> nodes = tree::munro_nodes(tree_.hasher(), bin, bundle.leaves);
  const crypto::Digest& hash = nodes.back().hash;
  if (known != munros_.end()) {
    // Too late to be of use, it is judged all the same: a parent whose bundles are wrong is none.
    if (hash != known->second.hash) return BundleCheck::wrong;
    if (known->second.used) return BundleCheck::known;
  } else if (!verifier_->verify(form_.signed_bytes(bin, bundle.timestamp, hash.view()), bundle.signature)) {
    return BundleCheck::wrong;
  }
  if (known == munros_.end() && munros_.size() >= kMaxMunros) return BundleCheck::known;
  for (const tree::NodeHash& node : nodes) nodes_.put(node.bin, node.hash);
  SignedMunro& munro =
      munros_.try_emplace(bin.offset(), SignedMunro{bundle.timestamp, bundle.signature, hash, std::nullopt, false}).first->second;
  munro.used = static_cast<std::uint32_t>(bundle.leaves.size());
  return BundleCheck::fresh;
}

std::optional<Bundle> LiveContent::bundle(std::uint64_t number) {
  const auto it = munros_.find(number);
  if (it == munros_.end() || !it->second.used) return std::nullopt;
  Bundle bundle{number, it->second.timestamp, it->second.signature, {}};
  for (unsigned leaf = 0; leaf < *it->second.used; ++leaf) {
    const auto hash = tree_.known(Bin::leaf(chunk_of(number, leaf)));
    if (!hash) return std::nullopt;
    bundle.leaves.push_back(*hash);
  }
  return bundle;
}

const SignedMunro* LiveContent::munro(ChunkIndex index) const {
  const auto it = munros_.find(tree::munro_of(index, metadata_.munro_width).offset());
  return it == munros_.end() ? nullptr : &it->second;
}

std::optional<ChunkRange> LiveContent::newest_munro_range() const {
  if (munros_.empty()) return std::nullopt;
  const auto layer = static_cast<unsigned>(std::countr_zero(metadata_.munro_width));
  return Bin::at(layer, munros_.rbegin()->first).range();
}

LeafCheck LiveContent::check(ChunkIndex index, base::ByteView payload, const tree::HashInbox& inbox) {
  if (payload.size() > metadata_.chunk_size) return LeafCheck::mismatch;
  if (metadata_.fixed_chunks() && payload.size() < metadata_.chunk_size) return LeafCheck::mismatch;
  if (!munro(index)) return LeafCheck::missing_hashes;
  return tree_.verify_leaf(index, tree_.hasher().hash(payload), inbox);
}

LeafCheck LiveContent::check_signed(const ChunkSignature& signature, base::ByteView payload) {
  if (payload.size() > metadata_.chunk_size) return LeafCheck::mismatch;
  const Bin leaf = Bin::leaf(signature.chunk);
  if (munros_.size() >= kMaxMunros || too_old(leaf, signature.timestamp)) return LeafCheck::missing_hashes;
  if (!verifier_->verify(form_.signed_bytes(leaf, signature.timestamp, payload), signature.signature)) return LeafCheck::mismatch;
  munros_.try_emplace(leaf.offset(), SignedMunro{signature.timestamp, signature.signature, {}, 1, false});
  return LeafCheck::verified;
}

// All leaves behind `index` are zero if, on the way up, every right sibling is known to be.
void LiveContent::prove_used(ChunkIndex index, SignedMunro& munro) {
  const Bin top = tree::munro_of(index, metadata_.munro_width);
  for (Bin node = Bin::leaf(index); node != top; node = node.parent()) {
    if (!node.is_left()) continue;
    const auto right = tree_.known(node.sibling());
    if (!right || !right->is_zero()) return;
  }
  munro.used = static_cast<std::uint32_t>(index.value() - top.range().first.value() + 1);
}

std::optional<ChunkRange> LiveContent::take_completed(ChunkIndex index) {
  const auto it = munros_.find(tree::munro_of(index, metadata_.munro_width).offset());
  if (it == munros_.end() || it->second.complete) return std::nullopt;
  SignedMunro& munro = it->second;
  const ChunkIndex first = tree::munro_of(index, metadata_.munro_width).range().first;
  if (!munro.used) prove_used(index, munro);
  if (!munro.used) return std::nullopt;
  const ChunkRange used{first, ChunkIndex{first.value() + *munro.used - 1}};
  if (!have_.contains(used)) return std::nullopt;
  munro.complete = true;
  return used;
}

ChunkRange LiveContent::publish(ChunkIndex first, std::span<const base::ByteView> chunks, base::WallTime now) {
  base::check(signer_ != nullptr && !chunks.empty() && chunks.size() <= metadata_.munro_width, "publish");
  const auto full = [&](base::ByteView chunk) { return chunk.size() == metadata_.chunk_size; };
  base::check(!form_.full_munros() || (chunks.size() == metadata_.munro_width && std::ranges::all_of(chunks, full)), "a full munro");
  leaves_.clear();
  for (const base::ByteView chunk : chunks) leaves_.push_back(tree_.hasher().hash(chunk));
  const Bin munro = tree::munro_of(first, metadata_.munro_width);
  const crypto::Digest hash = tree::build_munro(nodes_, tree_.hasher(), munro, leaves_);
  const wire::NtpTimestamp timestamp = form_.stamp(now);
  munros_.emplace(munro.offset(), SignedMunro{timestamp, signer_->sign(form_.signed_bytes(munro, timestamp, hash.view())), hash,
                                              static_cast<std::uint32_t>(chunks.size()), true});
  const ChunkRange range{first, ChunkIndex{first.value() + chunks.size() - 1}};
  have_.insert(range);
  return range;
}

std::optional<ChunkIndex> LiveContent::trim(ChunkIndex newest) {
  if (newest.value() < metadata_.live_window) return std::nullopt;
  const auto layer = static_cast<unsigned>(std::countr_zero(metadata_.munro_width));
  const std::uint64_t keep = (newest.value() - metadata_.live_window) >> layer;
  if ((keep << layer) <= lowest_.value()) return std::nullopt;
  lowest_ = ChunkIndex{keep << layer};
  while (!munros_.empty() && munros_.begin()->first < keep) {
    nodes_.drop(Bin::at(layer, munros_.begin()->first));
    munros_.erase(munros_.begin());
  }
  have_.erase_below(lowest_);
  return lowest_;
}

// ---- the source's indices -------------------------------------------------------------------------------------------

ChunkIndex LiveIndexer::start_at(base::WallTime now) const {
  const std::uint64_t clock = live_index(now).value();
  const std::uint64_t free = (next_ + width_ - 1) / width_ * width_;
  return ChunkIndex{std::max(free, clock / width_ * width_)};
}

void LiveIndexer::advance(ChunkIndex first, std::size_t bytes) {
  next_ = first.value() + std::max<std::uint64_t>(1, (bytes + chunk_size_ - 1) / chunk_size_);
}

std::optional<ChunkIndex> LiveIndexer::last_used() const { return next_ == 0 ? std::nullopt : std::optional{ChunkIndex{next_ - 1}}; }

}  // namespace runnel::swarm
