// What we asked of one peer and have not got yet.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/ring.hpp"
#include "base/time.hpp"
#include "core/tree/types.hpp"

namespace runnel::swarm {

// Requests in the order they were sent. A peer serves in that order (RFC 7574 3.7), so what later answers overtook is lost.
class DownloadQueue {
 public:
  static constexpr std::uint64_t kMaxRequestChunks = 64;    // per REQUEST: a word's bits, and old peers like short ones (P6)
  static constexpr std::uint64_t kReorder = 8;              // answers that may overtake one before it counts as lost

  void add(tree::ChunkRange range, base::Time now);         // at most kMaxRequestChunks
  // The chunk came (from anyone). True if it was asked of this peer.
  bool take(tree::ChunkIndex index, bool from_this_peer, base::Time now);
  // Chunks that answers overtook; they are no longer outstanding.
  // In order: past jitter any answer tells of those before it.
  [[nodiscard]] std::vector<tree::ChunkRange> take_lost(base::Time now, bool in_order = false);
  // Chunks that should have come by now, for streams that can not wait longer. Asks for more patience while
  // nothing comes, or what was given up comes after all: a slow peer gets no faster by being asked again and again.
  [[nodiscard]] std::vector<tree::ChunkRange> take_late(base::Time now);
  // Everything, when the peer chokes us, goes silent or leaves.
  [[nodiscard]] std::vector<tree::ChunkRange> take_all();
  // What lies in `range`, when it became urgent and is asked of another peer; CANCEL follows.
  [[nodiscard]] std::vector<tree::ChunkRange> take_range(tree::ChunkRange range);

  // The shortest time lately from a request to its answer: about a round trip.
  [[nodiscard]] base::Duration latency() const { return book_ ? book_->latency : kUnknownLatency; }
  // How long answers take, smoothed as RFC 6298 does round trips: the queues at the peer are in it. Zero until known.
  [[nodiscard]] base::Duration response() const { return book_ && book_->measured ? book_->mean_latency : base::Duration{}; }
  // Times in a row, up to kMaxDoublings, that it was waited for in vain.
  [[nodiscard]] unsigned time_outs() const { return book_ ? book_->doublings : 0; }
  [[nodiscard]] std::uint64_t outstanding() const { return book_ ? book_->outstanding : 0; }
  // When an answer last came, or the first of what is outstanding was asked; nullopt when nothing is.
  [[nodiscard]] std::optional<base::Time> waiting_since() const;
  // The chunk that has been outstanding longest.
  [[nodiscard]] std::optional<tree::ChunkIndex> first_outstanding() const;
  // When a chunk was asked; nullopt if it is not outstanding here.
  [[nodiscard]] std::optional<base::Time> asked_at(tree::ChunkIndex index) const;

 private:
  struct Entry {
    std::uint64_t first = 0;
    std::uint64_t missing = 0;      // bit i: chunk first + i has not come
    std::uint64_t position = 0;     // of its first chunk, in all chunks ever asked
    base::Time sent{};
    bool repeated = false;          // an answer may be the first one's: no measure of time (Karn's algorithm)
  };
  void remember(const Entry& entry, std::uint64_t bits);
  void append(std::vector<tree::ChunkRange>& out, const Entry& entry, std::uint64_t bits) const;
  void trim();

  static constexpr std::size_t kMaxGivenUp = 256;
  static constexpr base::Duration kLeastPatience{150'000};
  static constexpr base::Duration kJitter{15'000};
  static constexpr base::Duration kMostPatience{2'000'000};
  static constexpr unsigned kMaxDoublings = 5;

  static constexpr base::Duration kUnknownLatency{500'000};

  // Made with the first request: a seed asks nothing of its peers.
  struct Book {
    base::Ring<Entry> entries;
    std::vector<tree::ChunkIndex> given_up;   // lately, not asked again since
    std::uint64_t outstanding = 0;
    std::uint64_t next_position = 0;
    std::uint64_t furthest = 0;               // position after the furthest answer
    base::Time furthest_at{};                 // when it came
    base::Time last_answer{};
    base::Duration latency = kUnknownLatency;
    base::Duration mean_latency{100'000};     // RFC 6298 2, of requests instead of segments
    base::Duration latency_var{50'000};
    bool measured = false;
    unsigned doublings = 0;
  };
  std::unique_ptr<Book> book_;
};

}  // namespace runnel::swarm
