#include "core/swarm/outbox.hpp"

#include <utility>

#include "base/check.hpp"

namespace runnel::swarm {

base::MutableByteView Outbox::begin_datagram() {
  if (blocks_.empty()) blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kBlockSize));
  if (used_ + kMaxDatagram > kBlockSize) {
    if (++block_ == blocks_.size()) blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kBlockSize));
    used_ = 0;
  }
  return {blocks_[block_].get() + used_, kMaxDatagram};
}

void Outbox::end_datagram(const base::Endpoint& to, std::size_t size, const std::optional<Sealing>& sealing) {
  base::check(size > 0 && size <= kMaxDatagram, "datagram size");
  const std::byte* start = blocks_[block_].get() + used_;
  used_ += size;
  constexpr std::uint64_t kIpAndUdp = 28;
  wire_bytes_ += size + kIpAndUdp;
  if (train_ && train_->output + 1 == outputs_.size() && train_->output >= next_) {
    auto& send = std::get<SendDatagrams>(outputs_[train_->output]);
    if (send.to == to && send.sealing == sealing && train_->end == start && train_->last == send.segment_size &&
        size <= send.segment_size && train_->count < kMaxTrain) {
      send.bytes = {send.bytes.data(), send.bytes.size() + size};
      train_ = Train{train_->output, size, train_->count + 1, start + size};
      return;
    }
  }
  train_ = Train{outputs_.size(), size, 1, start + size};
  outputs_.push_back(SendDatagrams{to, {start, size}, static_cast<std::uint16_t>(size), sealing});
}

void Outbox::store(SwarmHandle swarm, StoreBatch& batch) {
  if (used_stores_ == stores_.size()) stores_.emplace_back();
  StoreBatch& kept = stores_[used_stores_++];
  std::swap(kept, batch);   // the swarm goes on with an empty one that has room
  outputs_.push_back(StoreChunks{swarm, kept.runs()});
}

std::optional<Output> Outbox::pop() {
  if (empty()) return std::nullopt;
  return outputs_[next_++];
}

void Outbox::reset() {
  base::check(empty(), "handle() before poll() had given everything");
  outputs_.clear();
  for (std::size_t i = 0; i < used_stores_; ++i) stores_[i].clear();
  used_stores_ = 0;
  train_.reset();
  next_ = block_ = used_ = 0;
}

}  // namespace runnel::swarm
