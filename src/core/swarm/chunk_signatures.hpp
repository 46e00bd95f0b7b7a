// Signatures of single chunks (RFC 7574 6.1.1), which come ahead of what they sign.
#pragma once
#include <algorithm>
#include <vector>

#include "base/bytes.hpp"
#include "core/tree/types.hpp"
#include "core/wire/message.hpp"

namespace runnel::swarm {

struct ChunkSignature {
  tree::ChunkIndex chunk;
  wire::NtpTimestamp timestamp;
  base::Bytes signature;
};

// Of one channel, so that a liar spoils its own chunks alone. Nothing here is believed: it is judged with its chunk.
class ChunkSignatures {
 public:
  static constexpr std::size_t kMaxSignatures = 128;   // past it the oldest go; as many as a peer has on the way, and some

  void offer(const wire::SignedIntegrity& message) {
    take(message.range.first);
    if (offers_.size() == kMaxSignatures) offers_.erase(offers_.begin());
    offers_.push_back({message.range.first, message.timestamp, base::to_bytes(message.signature)});
  }
  // nullptr: none came. Valid until the next call.
  [[nodiscard]] const ChunkSignature* find(tree::ChunkIndex chunk) const {
    const auto found = std::ranges::find(offers_, chunk, &ChunkSignature::chunk);
    return found == offers_.end() ? nullptr : &*found;
  }
  void take(tree::ChunkIndex chunk) {
    std::erase_if(offers_, [&](const ChunkSignature& offer) { return offer.chunk == chunk; });
  }
  [[nodiscard]] std::size_t size() const { return offers_.size(); }

 private:
  std::vector<ChunkSignature> offers_;   // in order of arrival
};

}  // namespace runnel::swarm
