#include "core/swarm/download_queue.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "base/check.hpp"

namespace runnel::swarm {

using tree::ChunkIndex;

namespace {

constexpr std::uint64_t low_bits(std::uint64_t count) { return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1; }

}  // namespace

void DownloadQueue::add(tree::ChunkRange range, base::Time now) {
  base::check(range.valid() && range.count() <= kMaxRequestChunks, "request length");
  if (outstanding_ == 0) last_answer_ = now;
  const bool repeated = std::erase_if(given_up_, [&](ChunkIndex index) { return range.contains(index); }) > 0;
  entries_.push_back({range.first.value(), low_bits(range.count()), next_position_, now, repeated});
  next_position_ += range.count();
  outstanding_ += range.count();
}

bool DownloadQueue::take(tree::ChunkIndex index, bool from_this_peer, base::Time now) {
  bool found = false;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    const std::uint64_t offset = index.value() - entry.first;
    if (index.value() < entry.first || offset >= 64 || (entry.missing >> offset & 1) == 0) continue;
    entry.missing &= ~(std::uint64_t{1} << offset);
    --outstanding_;
    found = true;
    if (from_this_peer) furthest_ = std::max(furthest_, entry.position + offset + 1);
    if (from_this_peer && !entry.repeated) {
      // The minimum ages by 1/64 per answer, so that a path that became longer shows.
      latency_ = std::min(now - entry.sent, latency_ + latency_ / 64 + base::Duration{1});
      const auto error = now - entry.sent - mean_latency_;
      mean_latency_ += error / 8;
      latency_var_ += (base::Duration{std::abs(error.count())} - latency_var_) / 4;
      measured_ = true;
      doublings_ = 0;
    }
    break;
  }
  if (from_this_peer) {
    last_answer_ = now;
    // An answer that we had given up on: the peer is slower than we thought.
    if (!found) mean_latency_ = std::max(mean_latency_, std::min(mean_latency_ + mean_latency_ / 8, kMostPatience));
  }
  if (found) trim();
  return found;
}

std::vector<tree::ChunkRange> DownloadQueue::take_lost(base::Time now) {
  std::vector<tree::ChunkRange> lost;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    if (entry.position + kReorder >= furthest_) break;
    // Less than a round trip after it was asked, only answers to older requests can have overtaken it.
    if (now - entry.sent < latency_) break;
    const std::uint64_t overtaken = entry.missing & low_bits(furthest_ - kReorder - entry.position);
    append(lost, entry, overtaken);
    remember(entry, overtaken);
    entry.missing &= ~overtaken;
    outstanding_ -= static_cast<std::uint64_t>(std::popcount(overtaken));
  }
  trim();
  return lost;
}

std::vector<tree::ChunkRange> DownloadQueue::take_late(base::Time now) {
  const base::Duration patience = std::max(kLeastPatience, mean_latency_ + 4 * latency_var_) * (1 << doublings_);
  std::vector<tree::ChunkRange> late;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    // Answers come in the order of the requests (RFC 7574 3.7): while others come, this one waits its turn or take_lost() finds it.
    if (now - std::max(entry.sent, last_answer_) < patience) break;
    append(late, entry, entry.missing);
    remember(entry, entry.missing);
    outstanding_ -= static_cast<std::uint64_t>(std::popcount(entry.missing));
    entry.missing = 0;
  }
  if (!late.empty() && now - last_answer_ >= patience) doublings_ = std::min(doublings_ + 1, kMaxDoublings);
  trim();
  return late;
}

std::vector<tree::ChunkRange> DownloadQueue::take_all() {
  std::vector<tree::ChunkRange> all;
  for (std::size_t i = 0; i < entries_.size(); ++i) append(all, entries_[i], entries_[i].missing);
  entries_.clear();
  outstanding_ = 0;
  return all;
}

std::vector<tree::ChunkRange> DownloadQueue::take_range(tree::ChunkRange range) {
  std::vector<tree::ChunkRange> taken;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    if (range.last.value() < entry.first || range.first.value() > entry.first + 63) continue;
    const std::uint64_t from = std::max(range.first.value(), entry.first) - entry.first;
    const std::uint64_t until = std::min(range.last.value() - entry.first, std::uint64_t{63});
    const std::uint64_t bits = entry.missing & low_bits(until + 1) & ~low_bits(from);
    append(taken, entry, bits);
    entry.missing &= ~bits;
    outstanding_ -= static_cast<std::uint64_t>(std::popcount(bits));
  }
  trim();
  return taken;
}

std::optional<base::Time> DownloadQueue::waiting_since() const { return outstanding_ == 0 ? std::nullopt : std::optional{last_answer_}; }

std::optional<tree::ChunkIndex> DownloadQueue::first_outstanding() const {
  if (entries_.empty()) return std::nullopt;
  const Entry& oldest = entries_[0];   // trim() leaves none in front that has all
  return ChunkIndex{oldest.first + static_cast<std::uint64_t>(std::countr_zero(oldest.missing))};
}

std::optional<base::Time> DownloadQueue::asked_at(tree::ChunkIndex index) const {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const std::uint64_t offset = index.value() - entry.first;
    if (index.value() >= entry.first && offset < 64 && (entry.missing >> offset & 1) != 0) return entry.sent;
  }
  return std::nullopt;
}

void DownloadQueue::remember(const Entry& entry, std::uint64_t bits) {
  for (; bits != 0; bits &= bits - 1) given_up_.push_back(ChunkIndex{entry.first + static_cast<std::uint64_t>(std::countr_zero(bits))});
  if (given_up_.size() > kMaxGivenUp) given_up_.erase(given_up_.begin(), given_up_.end() - kMaxGivenUp);
}

// The runs of set bits as ranges.
void DownloadQueue::append(std::vector<tree::ChunkRange>& out, const Entry& entry, std::uint64_t bits) const {
  while (bits != 0) {
    const auto first = static_cast<std::uint64_t>(std::countr_zero(bits));
    const auto length = static_cast<std::uint64_t>(std::countr_one(bits >> first));
    out.push_back({tree::ChunkIndex{entry.first + first}, tree::ChunkIndex{entry.first + first + length - 1}});
    bits &= ~(low_bits(length) << first);
  }
}

void DownloadQueue::trim() {
  while (!entries_.empty() && entries_.front().missing == 0) entries_.pop_front();
}

}  // namespace runnel::swarm
