// What one peer asked of us, and what we sent it that it has not acknowledged.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ring.hpp"
#include "base/time.hpp"
#include "core/swarm/ledbat.hpp"
#include "core/tree/interval_set.hpp"
#include "core/tree/types.hpp"

namespace runnel::swarm {

// Serves requests in the order received (RFC 7574 3.7) as fast as LEDBAT lets us.
class UploadQueue {
 public:
  static constexpr std::size_t kMaxRequests = 512;          // ranges waiting; more are not kept
  static constexpr std::uint64_t kMaxRequestedChunks = 16'384;
  static constexpr std::uint64_t kBurstChunks = 32;         // loaded and sent at a time

  explicit UploadQueue(std::uint32_t packet_size, std::uint32_t first_packets = Ledbat::kInitialPackets)
      : packet_size_(packet_size), ledbat_(packet_size, first_packets) {}

  void request(tree::ChunkRange range);
  void cancel(tree::ChunkRange range);
  void clear_requests();
  [[nodiscard]] bool wants_more() const { return !requests_.empty(); }
  [[nodiscard]] std::uint64_t requested_chunks() const { return requested_; }
  // Nothing is asked for, under way or unacknowledged.
  [[nodiscard]] bool idle() const { return requests_.empty() && loading_ == 0 && sent_.empty(); }

  // The next chunks to load and send, as far as the window lets; they count as in flight from now on.
  [[nodiscard]] std::optional<tree::ChunkRange> next_burst(std::uint64_t most = kBurstChunks);
  // A burst that was handed out was (or could not be) loaded.
  void burst_done(tree::ChunkRange range);
  void on_sent(tree::ChunkIndex index, std::uint32_t bytes, base::Time now);
  void on_ack(tree::ChunkRange range, std::uint64_t delay_us, base::Time now);
  // The peer tells others what it has: as good as an acknowledgement that was lost, but no measure of anything.
  void on_have(tree::ChunkRange range, base::Time now);
  // Between peers of version 2, loss below a tenth without a growing queue is not taken for congestion (design decision 7).
  void tolerate_loss(bool yes) { tolerant_ = yes; }
  void set_local() { ledbat_.set_local(); }
  // Gives up what timed out.
  void on_tick(base::Time now);
  [[nodiscard]] std::optional<base::Time> deadline() const;

  // Chunks on their way, of which the peer will know the hashes if they arrive (RFC 7574 5.3).
  [[nodiscard]] const tree::IntervalSet& in_flight() const { return in_flight_; }
  [[nodiscard]] const Ledbat& ledbat() const { return ledbat_; }

 private:
  struct Sent {
    std::uint64_t index = 0;
    std::uint32_t bytes = 0;
    bool acked = false;
    bool repeated = false;   // an acknowledgement may mean the first copy: it tells nothing of time and order (Karn's algorithm)
    base::Time at{};
  };
  static constexpr std::size_t kMaxGivenUp = 128;
  static constexpr std::size_t kReorder = 8;    // later chunks acknowledged before one counts as lost
  struct Acked {
    std::uint64_t bytes = 0;
    std::optional<std::size_t> newest;   // place in sent_
  };
  struct GivenUp {
    std::uint64_t index = 0;
    bool repeated = false;   // as above
    base::Time at{};
  };
  Acked mark_acked(tree::ChunkRange range);
  // `acked_at`: when it was acknowledged, unless only a HAVE told of it.
  void take_late(tree::ChunkRange range, std::optional<base::Time> acked_at);
  void drop_front(bool lost);
  [[nodiscard]] bool congested() const;

  std::uint32_t packet_size_;
  base::Ring<tree::ChunkRange> requests_;
  std::uint64_t requested_ = 0;
  std::uint64_t loading_ = 0;                   // chunks handed out and not yet sent
  base::Ring<Sent> sent_;                       // in order of sending
  std::uint64_t in_flight_bytes_ = 0;
  tree::IntervalSet in_flight_;
  Ledbat ledbat_;
  bool tolerant_ = false;
  double loss_ = 0;                             // share of chunks, smoothed
  std::vector<GivenUp> given_up_;               // lately: if they are acknowledged after all, only that was late
  base::Time last_progress_{};
};

}  // namespace runnel::swarm
