// The engine's outputs in order, and the memory of the datagrams among them.
#pragma once
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/swarm/io.hpp"
#include "core/swarm/store_batch.hpp"

namespace runnel::swarm {

// Datagrams to one place that follow one another, all of one size but the last, leave as one train, so that the kernel can
// cut them (UDP_SEGMENT). Memory is reused from one reset() to the next.
class Outbox {
 public:
  // An Ethernet frame's worth of UDP over IPv6 (RFC 7574 8.1), less what sealing adds (docs/EXTENSIONS.md).
  static constexpr std::size_t kMaxDatagram = 1452 - 24;
  static constexpr std::size_t kMaxTrain = 44;   // segments; 44 x 1452 stays below the 65,507 bytes of a UDP send

  // Room for one datagram; finish it with end_datagram() before anything else is put in.
  [[nodiscard]] base::MutableByteView begin_datagram();
  void end_datagram(const base::Endpoint& to, std::size_t size, const std::optional<Sealing>& sealing = std::nullopt);

  // Room in which a channel gathers one datagram's messages; given back when they are sent, so that a silent channel keeps none.
  [[nodiscard]] base::Bytes borrow_room() {
    if (rooms_.empty()) return base::Bytes(kMaxDatagram);
    base::Bytes room = std::move(rooms_.back());
    rooms_.pop_back();
    return room;
  }
  void give_back(base::Bytes room) { rooms_.push_back(std::move(room)); }

  void load(const LoadChunks& load) { outputs_.push_back(Output{load}); }
  void closed(wire::ChannelId local) { outputs_.push_back(Output{ChannelClosed{local}}); }
  void event(const Event& event) { outputs_.push_back(Output{event}); }
  // Takes what was gathered; its chunks are views into the input at hand.
  void store(SwarmHandle swarm, StoreBatch& batch);

  // All that was ever put in, with the headers of IPv4 and UDP.
  [[nodiscard]] std::uint64_t wire_bytes() const { return wire_bytes_; }

  [[nodiscard]] std::optional<Output> pop();
  [[nodiscard]] bool empty() const { return next_ == outputs_.size(); }
  // All outputs have been polled, and their views may go.
  void reset();

 private:
  static constexpr std::size_t kBlockSize = std::size_t{1} << 18;
  struct Train {
    std::size_t output = 0;      // position in outputs_
    std::size_t last = 0;        // size of its last datagram
    std::size_t count = 0;
    const std::byte* end = nullptr;
  };

  std::vector<Output> outputs_;
  std::size_t next_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::size_t block_ = 0;        // in use
  std::size_t used_ = 0;         // of that block
  std::uint64_t wire_bytes_ = 0;
  std::vector<base::Bytes> rooms_;   // as many as were ever in use together
  std::optional<Train> train_;   // the newest output, if it is a train that may grow
  std::deque<StoreBatch> stores_;   // kept for their memory; the first used_stores_ hold something
  std::size_t used_stores_ = 0;
};

}  // namespace runnel::swarm
