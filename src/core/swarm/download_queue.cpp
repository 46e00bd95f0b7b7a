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
  if (!book_) book_ = std::make_unique<Book>();
  if (book_->outstanding == 0) book_->last_answer = now;
  const bool repeated = std::erase_if(book_->given_up, [&](ChunkIndex index) { return range.contains(index); }) > 0;
  book_->entries.push_back({range.first.value(), low_bits(range.count()), book_->next_position, now, repeated});
  book_->next_position += range.count();
  book_->outstanding += range.count();
}

bool DownloadQueue::take(tree::ChunkIndex index, bool from_this_peer, base::Time now) {
  if (!book_) return false;
  bool found = false;
  for (std::size_t i = 0; i < book_->entries.size(); ++i) {
    Entry& entry = book_->entries[i];
    const std::uint64_t offset = index.value() - entry.first;
    if (index.value() < entry.first || offset >= 64 || (entry.missing >> offset & 1) == 0) continue;
    entry.missing &= ~(std::uint64_t{1} << offset);
    --book_->outstanding;
    found = true;
    if (from_this_peer && entry.position + offset >= book_->furthest) {
      book_->furthest = entry.position + offset + 1;
      book_->furthest_at = now;
    }
    if (from_this_peer && !entry.repeated) {
      // The minimum ages by 1/64 per answer, so that a path that became longer shows.
      book_->latency = std::min(now - entry.sent, book_->latency + book_->latency / 64 + base::Duration{1});
      const auto error = now - entry.sent - book_->mean_latency;
      book_->mean_latency += error / 8;
      book_->latency_var += (base::Duration{std::abs(error.count())} - book_->latency_var) / 4;
      book_->measured = true;
      book_->doublings = 0;
    }
    break;
  }
  if (from_this_peer) {
    book_->last_answer = now;
    // An answer that we had given up on: the peer is slower than we thought.
    if (!found) book_->mean_latency = std::max(book_->mean_latency, std::min(book_->mean_latency + book_->mean_latency / 8, kMostPatience));
  }
  if (found) trim();
  return found;
}

std::vector<tree::ChunkRange> DownloadQueue::take_lost(base::Time now, bool in_order) {
  if (!book_) return {};
  const std::uint64_t reorder = in_order && now - book_->furthest_at >= kJitter ? 0 : kReorder;
  std::vector<tree::ChunkRange> lost;
  for (std::size_t i = 0; i < book_->entries.size(); ++i) {
    Entry& entry = book_->entries[i];
    if (entry.position + reorder >= book_->furthest) break;
    // Less than a round trip after it was asked, only answers to older requests can have overtaken it.
    if (now - entry.sent < book_->latency) break;
    const std::uint64_t overtaken = entry.missing & low_bits(book_->furthest - reorder - entry.position);
    append(lost, entry, overtaken);
    remember(entry, overtaken);
    entry.missing &= ~overtaken;
    book_->outstanding -= static_cast<std::uint64_t>(std::popcount(overtaken));
  }
  trim();
  return lost;
}

std::vector<tree::ChunkRange> DownloadQueue::take_late(base::Time now) {
  if (!book_) return {};
  const base::Duration patience = std::max(kLeastPatience, book_->mean_latency + 4 * book_->latency_var) * (1 << book_->doublings);
  std::vector<tree::ChunkRange> late;
  for (std::size_t i = 0; i < book_->entries.size(); ++i) {
    Entry& entry = book_->entries[i];
    // Answers come in the order of the requests (RFC 7574 3.7): while others come, this one waits its turn or take_lost() finds it.
    if (now - std::max(entry.sent, book_->last_answer) < patience) break;
    append(late, entry, entry.missing);
    remember(entry, entry.missing);
    book_->outstanding -= static_cast<std::uint64_t>(std::popcount(entry.missing));
    entry.missing = 0;
  }
  if (!late.empty() && now - book_->last_answer >= patience) book_->doublings = std::min(book_->doublings + 1, kMaxDoublings);
  trim();
  return late;
}

std::vector<tree::ChunkRange> DownloadQueue::take_all() {
  if (!book_) return {};
  std::vector<tree::ChunkRange> all;
  for (std::size_t i = 0; i < book_->entries.size(); ++i) append(all, book_->entries[i], book_->entries[i].missing);
  book_->entries.clear();
  book_->outstanding = 0;
  return all;
}

std::vector<tree::ChunkRange> DownloadQueue::take_range(tree::ChunkRange range) {
  if (!book_) return {};
  std::vector<tree::ChunkRange> taken;
  for (std::size_t i = 0; i < book_->entries.size(); ++i) {
    Entry& entry = book_->entries[i];
    if (range.last.value() < entry.first || range.first.value() > entry.first + 63) continue;
    const std::uint64_t from = std::max(range.first.value(), entry.first) - entry.first;
    const std::uint64_t until = std::min(range.last.value() - entry.first, std::uint64_t{63});
    const std::uint64_t bits = entry.missing & low_bits(until + 1) & ~low_bits(from);
    append(taken, entry, bits);
    entry.missing &= ~bits;
    book_->outstanding -= static_cast<std::uint64_t>(std::popcount(bits));
  }
  trim();
  return taken;
}

std::optional<base::Time> DownloadQueue::waiting_since() const {
  return outstanding() == 0 ? std::nullopt : std::optional{book_->last_answer};
}

std::optional<tree::ChunkIndex> DownloadQueue::first_outstanding() const {
  if (!book_ || book_->entries.empty()) return std::nullopt;
  const Entry& oldest = book_->entries[0];   // trim() leaves none in front that has all
  return ChunkIndex{oldest.first + static_cast<std::uint64_t>(std::countr_zero(oldest.missing))};
}

std::optional<base::Time> DownloadQueue::asked_at(tree::ChunkIndex index) const {
  if (!book_) return std::nullopt;
  for (std::size_t i = 0; i < book_->entries.size(); ++i) {
    const Entry& entry = book_->entries[i];
    const std::uint64_t offset = index.value() - entry.first;
    if (index.value() >= entry.first && offset < 64 && (entry.missing >> offset & 1) != 0) return entry.sent;
  }
  return std::nullopt;
}

void DownloadQueue::remember(const Entry& entry, std::uint64_t bits) {
  for (; bits != 0; bits &= bits - 1)
    book_->given_up.push_back(ChunkIndex{entry.first + static_cast<std::uint64_t>(std::countr_zero(bits))});
  if (book_->given_up.size() > kMaxGivenUp) book_->given_up.erase(book_->given_up.begin(), book_->given_up.end() - kMaxGivenUp);
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
  while (!book_->entries.empty() && book_->entries.front().missing == 0) book_->entries.pop_front();
}

}  // namespace runnel::swarm
