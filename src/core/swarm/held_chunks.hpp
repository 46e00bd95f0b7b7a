// Chunks that came before the hashes that prove them.
#pragma once
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "core/tree/types.hpp"

namespace runnel::swarm {

// Hashes travel with the first chunk that needs them (RFC 7574 5.3); when that datagram is lost or late, those behind it wait here
// a moment instead of being sent again. Of one channel, since its inbox proves them and its peer answers for them. They are
// not stored, announced or acknowledged meanwhile.
class HeldChunks {
 public:
  static constexpr std::size_t kMaxChunks = 64;
  static constexpr base::Duration kLongest{250'000};
  // So long the missing datagram may only be late; then one chunk is asked for again, and brings its proof along.
  static constexpr base::Duration kReorder{10'000};
  struct Held {
    tree::ChunkIndex index;
    base::Bytes payload;
    base::Time since;
    bool asked_again = false;
  };

  [[nodiscard]] bool empty() const { return held_.empty(); }
  // False when there are too many, or it is here.
  bool add(tree::ChunkIndex index, base::ByteView payload, base::Time now);
  // Those in `range`, oldest first.
  [[nodiscard]] std::vector<Held> take(tree::ChunkRange range);
  void put_back(Held held) { held_.push_back(std::move(held)); }
  [[nodiscard]] std::vector<Held> take_all() { return std::exchange(held_, {}); }
  // Those that waited too long.
  [[nodiscard]] std::vector<tree::ChunkIndex> take_expired(base::Time now);
  // For each group of `group` neighbours the one that should be asked for again by now, once.
  [[nodiscard]] std::vector<tree::ChunkIndex> ask_again(std::uint64_t group, base::Time now);

 private:
  std::vector<Held> held_;   // in order of arrival
};

}  // namespace runnel::swarm
