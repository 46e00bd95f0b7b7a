#include "core/swarm/upload_queue.hpp"

#include <algorithm>

namespace runnel::swarm {
namespace {

constexpr double kLossMemory = 1.0 / 128;   // chunks

}  // namespace

void UploadQueue::request(tree::ChunkRange range) {
  if (requests_.size() >= kMaxRequests || requested_ >= kMaxRequestedChunks) return;
  range.last = std::min(range.last, tree::ChunkIndex{range.first.value() + (kMaxRequestedChunks - requested_) - 1});
  // A repeated request (a retry, or a duplicate datagram) is served once.
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i].contains(range)) return;
  }
  requests_.push_back(range);
  requested_ += range.count();
}

void UploadQueue::cancel(tree::ChunkRange range) {
  bool overlaps = false;
  for (std::size_t i = 0; i < requests_.size(); ++i) overlaps |= requests_[i].overlaps(range);
  if (!overlaps) return;
  base::Ring<tree::ChunkRange> kept;
  requested_ = 0;
  const auto keep = [&](std::uint64_t first, std::uint64_t last) {
    kept.push_back({tree::ChunkIndex{first}, tree::ChunkIndex{last}});
    requested_ += last - first + 1;
  };
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    const tree::ChunkRange& waiting = requests_[i];
    const std::size_t left = requests_.size() - i - 1;
    if (!waiting.overlaps(range)) {
      keep(waiting.first.value(), waiting.last.value());
      continue;
    }
    if (waiting.first < range.first) keep(waiting.first.value(), range.first.value() - 1);
    if (waiting.last > range.last && kept.size() + left < kMaxRequests) keep(range.last.value() + 1, waiting.last.value());
  }
  requests_ = std::move(kept);
}

void UploadQueue::clear_requests() {
  requests_.clear();
  requested_ = 0;
}

std::optional<tree::ChunkRange> UploadQueue::next_burst(std::uint64_t most) {
  if (requests_.empty()) return std::nullopt;
  const std::uint64_t busy = in_flight_bytes_ + loading_ * packet_size_;
  if (busy + packet_size_ > ledbat_.window()) return std::nullopt;
  const std::uint64_t room = (ledbat_.window() - busy) / packet_size_;
  tree::ChunkRange& front = requests_.front();
  const std::uint64_t count = std::min({room, most, front.count()});
  const tree::ChunkRange burst{front.first, tree::ChunkIndex{front.first.value() + count - 1}};
  requested_ -= count;
  loading_ += count;
  if (count == front.count())
    requests_.pop_front();
  else
    front.first = tree::ChunkIndex{front.first.value() + count};
  return burst;
}

void UploadQueue::burst_done(tree::ChunkRange range) { loading_ -= std::min(loading_, range.count()); }

void UploadQueue::on_sent(tree::ChunkIndex index, std::uint32_t bytes, base::Time now) {
  if (sent_.empty()) last_progress_ = now;
  const bool repeated = in_flight_.contains(index);
  if (repeated) {
    std::size_t first = 0;
    while (sent_[first].acked || sent_[first].index != index.value()) ++first;
    in_flight_bytes_ -= sent_[first].bytes;
    sent_[first].acked = true;   // what is waited for from now on is the new copy
  }
  sent_.push_back({index.value(), bytes, false, repeated, now});
  in_flight_bytes_ += bytes;
  in_flight_.insert({index, index});
}

void UploadQueue::take_late(tree::ChunkRange range, std::optional<base::Time> acked_at) {
  std::erase_if(given_up_, [&](const GivenUp& chunk) {
    const tree::ChunkIndex index{chunk.index};
    if (!range.contains(index)) return false;
    if (acked_at && !chunk.repeated && !in_flight_.contains(index)) ledbat_.on_late_ack(*acked_at - chunk.at);
    loss_ = std::max(0.0, loss_ - kLossMemory);
    return true;
  });
}

UploadQueue::Acked UploadQueue::mark_acked(tree::ChunkRange range) {
  Acked acked;
  // They lie near the front: what was sent first is acknowledged first.
  std::uint64_t left = in_flight_.erase(range);
  for (std::size_t i = 0; left > 0; ++i) {
    Sent& sent = sent_[i];
    if (sent.acked || !range.contains(tree::ChunkIndex{sent.index})) continue;
    --left;
    sent.acked = true;
    acked.bytes += sent.bytes;
    if (!sent.repeated) acked.newest = i;
  }
  in_flight_bytes_ -= acked.bytes;
  return acked;
}

void UploadQueue::on_have(tree::ChunkRange range, base::Time now) {
  take_late(range, std::nullopt);
  if (mark_acked(range).bytes == 0) return;
  last_progress_ = now;
  while (!sent_.empty() && sent_.front().acked) drop_front(false);
}

void UploadQueue::on_ack(tree::ChunkRange range, std::uint64_t delay_us, base::Time now) {
  const bool limited = in_flight_bytes_ + loading_ * packet_size_ + 2ULL * packet_size_ * kBurstChunks >= ledbat_.window();
  take_late(range, now);
  const Acked acked = mark_acked(range);
  if (acked.bytes == 0) return;
  last_progress_ = now;
  bool lost = false;
  if (acked.newest) {
    ledbat_.on_ack(acked.bytes, delay_us, now - sent_[*acked.newest].at, limited, now);
    for (std::size_t i = 0; i <= *acked.newest; ++i) {
      if (!sent_.front().acked) {
        if (*acked.newest - i < kReorder) break;
        lost = true;
      }
      drop_front(!sent_.front().acked);
    }
  }
  while (!sent_.empty() && sent_.front().acked) drop_front(false);
  if (lost && congested()) ledbat_.on_loss(now);
}

bool UploadQueue::congested() const {
  constexpr double kTolerableLoss = 0.1;
  return !tolerant_ || loss_ > kTolerableLoss;   // a queue that grows is answered by LEDBAT's own measure
}

void UploadQueue::drop_front(bool lost) {
  loss_ += ((lost ? 1.0 : 0.0) - loss_) * kLossMemory;
  if (lost) {
    if (given_up_.size() == kMaxGivenUp) given_up_.erase(given_up_.begin());
    given_up_.push_back({sent_.front().index, sent_.front().repeated, sent_.front().at});
    in_flight_bytes_ -= sent_.front().bytes;
    in_flight_.erase({tree::ChunkIndex{sent_.front().index}, tree::ChunkIndex{sent_.front().index}});
  }
  sent_.pop_front();
}

void UploadQueue::on_tick(base::Time now) {
  if (sent_.empty() || now < *deadline()) return;
  // The last few of a burst: nothing came behind them that could have told of their loss, or their acknowledgement was lost.
  const bool tail = tolerant_ && sent_.size() < kReorder;
  while (!sent_.empty()) drop_front(!sent_.front().acked);
  if (!tail || congested()) ledbat_.on_timeout();
  last_progress_ = now;
}

std::optional<base::Time> UploadQueue::deadline() const {
  if (sent_.empty()) return std::nullopt;
  return last_progress_ + ledbat_.timeout();
}

}  // namespace runnel::swarm
