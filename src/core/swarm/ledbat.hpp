// LEDBAT congestion control (RFC 6817), one per channel: the window grows while our own queue stays short.
#pragma once
#include <array>
#include <cstdint>

#include "base/time.hpp"

namespace runnel::swarm {

// Counts bytes. One owner.
class Ledbat {
 public:
  static constexpr base::Duration kTarget{100'000};           // RFC 6817 2.4.2: at most 100 ms
  // On this machine there is no network to be polite to, only processes that wait for a processor.
  static constexpr std::uint32_t kMinLocalWindowPackets = 256;
  static constexpr std::uint32_t kMinWindowPackets = 2;       // RFC 6817 2.4.2
  static constexpr std::uint64_t kMaxWindow = 16ULL << 20;    // bytes: 1.3 Gb/s at 100 ms

  static constexpr std::uint32_t kInitialPackets = 32;        // RFC 6928 allows 10 of 1460 bytes; ours are paced by requests

  explicit Ledbat(std::uint32_t packet_size, std::uint32_t first_packets = kInitialPackets)
      : packet_(packet_size), window_(std::uint64_t{first_packets} * packet_size) {}
  // The peer is on this machine.
  void set_local() {
    least_ = kMinLocalWindowPackets;
    window_ = std::uint64_t{least_} * packet_;
  }

  // `delay_us` is the peer's sample, receiver clock minus sender clock (RFC 7574 8.7): only differences mean anything.
  // `limited` tells whether the window was in use: an unused window does not grow (RFC 6817 2.4.1).
  void on_ack(std::uint64_t bytes, std::uint64_t delay_us, base::Duration rtt, bool limited, base::Time now);
  // After the time-out, so long after it was sent: behind a queue longer than the time-out nothing would ever come in time.
  void on_late_ack(base::Duration rtt);
  // At most one halving per round trip (RFC 6817 2.4.1).
  void on_loss(base::Time now);
  // Nothing was acknowledged for a whole retransmission time-out.
  void on_timeout();

  [[nodiscard]] std::uint64_t window() const { return window_; }
  // Something is known of the way there.
  [[nodiscard]] bool measured() const { return has_sample_; }
  [[nodiscard]] base::Duration rtt() const { return srtt_; }
  [[nodiscard]] base::Duration queue_delay() const { return queue_delay_; }
  // RFC 6298, with a floor for peers that batch their ACKs.
  [[nodiscard]] base::Duration timeout() const;

 private:
  static constexpr std::size_t kBaseMinutes = 10;        // RFC 6817 2.5: base history
  static constexpr base::Duration kLatest{4'000'000};    // waited for at most, and a quarter more
  static constexpr std::size_t kCurrentSamples = 4;      // current filter: the least of the last few

  void update_base(std::int64_t delay, base::Time now);

  std::uint32_t packet_;
  std::uint32_t least_ = kMinWindowPackets;
  std::uint64_t window_;
  bool slow_start_ = true;
  std::array<std::int64_t, kBaseMinutes> base_{};
  std::size_t bases_ = 0;
  base::Time base_started_{};
  std::uint64_t first_delay_ = 0;    // samples wrap: all are taken relative to the first
  bool has_sample_ = false;
  std::array<std::int64_t, kCurrentSamples> current_{};
  std::size_t samples_ = 0;
  base::Duration queue_delay_{};
  base::Duration srtt_{};
  base::Duration rttvar_{};
  base::Duration late_{};   // how late an answer came after its time-out, until one comes in time
  base::Time last_loss_{};
  bool had_loss_ = false;
};

}  // namespace runnel::swarm
