#include "core/tree/hash_tree.hpp"

#include <algorithm>
#include <bit>

namespace runnel::tree {

crypto::Digest parent_of(crypto::Hasher& hasher, const crypto::Digest& left, const crypto::Digest& right) {
  if (left.is_zero() && right.is_zero()) return left;
  return hasher.hash_pair(left, right);
}

void HashInbox::offer(Bin bin, const crypto::Digest& hash) {
  if (offers_.size() >= kMaxOffers) offers_.erase(offers_.begin(), offers_.begin() + kMaxOffers / 4);
  offers_.push_back({bin, hash});
}

const crypto::Digest* HashInbox::find(Bin bin) const {
  const auto it = std::find_if(offers_.rbegin(), offers_.rend(), [&](const NodeHash& n) { return n.bin == bin; });
  return it == offers_.rend() ? nullptr : &it->hash;
}

Bin HashTree::root_bin(std::uint64_t chunks) {
  const std::uint64_t leaves = std::bit_ceil(std::max<std::uint64_t>(chunks, 1));
  return Bin::at(static_cast<unsigned>(std::countr_zero(leaves)), 0);
}

void HashTree::set_content(std::uint64_t chunks, const crypto::Digest& root) {
  chunks_ = chunks;
  store_.put(root_bin(chunks), root);
}

std::optional<crypto::Digest> HashTree::known(Bin bin) {
  if (chunks_ && bin.range().first.value() >= *chunks_) return crypto::Digest{crypto::digest_size(hasher_.algorithm())};
  return store_.get(bin);
}

std::optional<bool> HashTree::climb(NodeHash node, const HashInbox& inbox) {
  path_.clear();
  while (path_.size() < kMaxHeight) {
    if (const auto trusted = known(node.bin)) {
      if (*trusted != node.hash) return false;
      for (const Step& step : path_) {
        store_.put(step.node.bin, step.node.hash);
        store_.put(step.sibling.bin, step.sibling.hash);
      }
      return true;
    }
    const Bin sibling = node.bin.sibling();
    std::optional<crypto::Digest> hash = known(sibling);
    if (!hash) {
      const crypto::Digest* offered = inbox.find(sibling);
      if (!offered) return std::nullopt;
      hash = *offered;
    }
    path_.push_back({node, {sibling, *hash}});
    const bool left = node.bin.is_left();
    node = {node.bin.parent(), parent_of(hasher_, left ? node.hash : *hash, left ? *hash : node.hash)};
  }
  return std::nullopt;
}

LeafCheck HashTree::verify_leaf(ChunkIndex index, const crypto::Digest& leaf, const HashInbox& inbox) {
  // A chunk past the end has a zero leaf, which no data hashes to. Most leaves came in a list before their chunks.
  const Bin bin = Bin::leaf(index);
  if (const auto trusted = known(bin)) return *trusted == leaf ? LeafCheck::verified : LeafCheck::mismatch;
  const auto held = climb({bin, leaf}, inbox);
  if (!held) return LeafCheck::missing_hashes;
  return *held ? LeafCheck::verified : LeafCheck::mismatch;
}

LeafCheck HashTree::verify_leaves(Bin block, std::span<const crypto::Digest> leaves, const HashInbox& inbox) {
  level_.clear();
  const std::uint64_t first = block.range().first.value();
  for (std::size_t i = 0; i < leaves.size(); ++i) level_.push_back({Bin::leaf(ChunkIndex{first + i}), leaves[i]});
  // All levels are kept, one behind the other: level k begins where level k-1 ends.
  std::size_t begin = 0;
  while (level_.size() - begin > 1) {
    const std::size_t end = level_.size();
    for (std::size_t i = begin; i < end; i += 2)
      level_.push_back({level_[i].bin.parent(), parent_of(hasher_, level_[i].hash, level_[i + 1].hash)});
    begin = end;
  }
  const auto held = climb(level_.back(), inbox);
  if (!held) return LeafCheck::missing_hashes;
  if (!*held) return LeafCheck::mismatch;
  for (const NodeHash& node : level_) store_.put(node.bin, node.hash);
  return LeafCheck::verified;
}

std::vector<Bin> HashTree::peaks(std::uint64_t chunks) {
  std::vector<Bin> out;
  std::uint64_t first = 0;
  for (unsigned layer = 63; layer-- > 0;) {
    const std::uint64_t width = std::uint64_t{1} << layer;
    if ((chunks & width) == 0) continue;
    out.push_back(Bin::at(layer, first >> layer));
    first += width;
  }
  return out;
}

std::optional<std::uint64_t> HashTree::learn_peaks(std::span<const NodeHash> peaks, const crypto::Digest& root) {
  std::uint64_t chunks = 0;
  for (const NodeHash& peak : peaks) {
    const ChunkRange range = peak.bin.range();
    if (range.first.value() != chunks || range.last.value() >= (std::uint64_t{1} << kMaxHeight)) return std::nullopt;
    chunks = range.last.value() + 1;
  }
  const std::vector<Bin> expected = HashTree::peaks(chunks);
  if (chunks == 0 || !std::ranges::equal(peaks, expected, {}, &NodeHash::bin) || chunks_.value_or(chunks) != chunks) return std::nullopt;

  // From the narrowest peak up: beside a peak lies either the next wider peak (left) or zero hashes (right).
  NodeHash node = peaks.back();
  std::size_t next = peaks.size() - 1;
  const Bin top = root_bin(chunks);
  const crypto::Digest zero{crypto::digest_size(hasher_.algorithm())};
  std::vector<NodeHash> above;
  while (node.bin != top) {
    if (next > 0 && peaks[next - 1].bin == node.bin.sibling()) {
      node = {node.bin.parent(), parent_of(hasher_, peaks[next - 1].hash, node.hash)};
      --next;
    } else if (node.bin.is_left()) {
      node = {node.bin.parent(), parent_of(hasher_, node.hash, zero)};
    } else {
      return std::nullopt;
    }
    above.push_back(node);
  }
  if (node.hash != root) return std::nullopt;
  set_content(chunks, root);
  for (const NodeHash& peak : peaks) store_.put(peak.bin, peak.hash);
  for (const NodeHash& joint : above) store_.put(joint.bin, joint.hash);   // whoever is served later needs them as uncles
  return chunks;
}

}  // namespace runnel::tree
