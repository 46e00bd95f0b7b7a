// The extension messages of push (docs/EXTENSIONS.md has their layouts), as values.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "core/swarm/push_trees.hpp"
#include "core/wire/types.hpp"
#include "crypto/hash.hpp"

namespace runnel::swarm {

// From the source to whoever sent it, both included.
using Path = std::vector<NodeTag>;
constexpr std::size_t kMaxPath = 32;
constexpr std::size_t kMaxMapEntries = 128;

// Chunks of several munros, in order.
struct MunroMap {
  struct Entry {
    std::uint64_t munro = 0;
    bool whole = false;         // HAVE_MAP: all of its chunks; NACK and BUSY: its bundle
    std::uint32_t chunks = 0;   // bit per leaf, unless whole
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::vector<Entry> entries;   // munros grow
  // One chunk more, behind all that is in it.
  void add(tree::ChunkIndex index) {
    if (entries.empty() || entries.back().munro != munro_number(index)) entries.push_back({munro_number(index), false, 0});
    entries.back().chunks |= std::uint32_t{1} << leaf_of(index);
  }
  friend bool operator==(const MunroMap&, const MunroMap&) = default;
};

struct Subscribe {
  static constexpr std::uint16_t kType = 2;
  std::uint8_t tree = 0;
  std::uint8_t key = 0;   // eighths
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};
struct Accept {
  static constexpr std::uint16_t kType = 3;
  std::uint8_t tree = 0;
  Path path;
  friend bool operator==(const Accept&, const Accept&) = default;
};
struct Refuse {
  static constexpr std::uint16_t kType = 4;
  enum class Reason : std::uint8_t { full = 0, starving = 1, loop = 2 };
  std::uint8_t tree = 0;
  Reason reason = Reason::full;
  NodeTag hint;
  std::uint16_t place = 0;   // of one that gives nothing or came a moment ago, among those who wait; 0: it does not wait
  friend bool operator==(const Refuse&, const Refuse&) = default;
};
struct Redirect {
  static constexpr std::uint16_t kType = 5;
  std::uint8_t tree = 0;
  NodeTag hint;
  friend bool operator==(const Redirect&, const Redirect&) = default;
};
struct Unsubscribe {
  static constexpr std::uint16_t kType = 6;
  std::uint8_t tree = 0;
  friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};
struct PathNews {
  static constexpr std::uint16_t kType = 7;
  std::uint8_t tree = 0;
  Path path;
  friend bool operator==(const PathNews&, const PathNews&) = default;
};
struct Advert {
  static constexpr std::uint16_t kType = 8;
  static constexpr std::uint8_t kNotFed = 255;        // of lag
  static constexpr std::uint8_t kNoChildren = 255;    // of weakest_rank
  static constexpr base::Duration kLagUnit{8'000};
  static constexpr base::Duration kQueueUnit{4'000};
  std::uint16_t uplink = 0;   // 1/256 of the stream's rate
  std::uint8_t room = 0;      // half slots
  std::uint8_t queue = 0;
  std::uint32_t sent_us = 0;
  std::uint32_t echo_us = 0;
  std::uint32_t held_us = 0;
  std::uint32_t delay_us = 0;
  std::array<std::uint8_t, kTrees> lag{};
  std::array<std::uint8_t, kTrees> weakest_rank{};
  friend bool operator==(const Advert&, const Advert&) = default;
};
struct HaveMap {
  static constexpr std::uint16_t kType = 9;
  MunroMap map;
  friend bool operator==(const HaveMap&, const HaveMap&) = default;
};
struct Nack {
  static constexpr std::uint16_t kType = 10;
  MunroMap map;
  friend bool operator==(const Nack&, const Nack&) = default;
};
struct Busy {
  static constexpr std::uint16_t kType = 11;
  std::uint16_t queue_ms = 0;
  MunroMap map;
  friend bool operator==(const Busy&, const Busy&) = default;
};
// What proves all chunks of a munro.
struct Bundle {
  static constexpr std::uint16_t kType = 12;
  std::uint64_t munro = 0;
  wire::NtpTimestamp timestamp;
  base::Bytes signature;
  std::vector<crypto::Digest> leaves;   // 1 to kPushMunroWidth
  friend bool operator==(const Bundle&, const Bundle&) = default;
};

// One of several datagrams of a size that leave at once: how far they come apart tells how wide the sender's line is (packet train).
struct Train {
  static constexpr std::uint16_t kType = 13;
  static constexpr std::size_t kHead = 3;
  std::uint16_t number = 0;
  std::uint8_t datagrams = 0;
  std::size_t size = kHead;   // of the value: zeros follow its head
  friend bool operator==(const Train&, const Train&) = default;
};
struct Spread {
  static constexpr std::uint16_t kType = 14;
  std::uint16_t train = 0;
  std::uint8_t datagrams = 0;   // that came
  std::uint32_t us = 0;         // from the first of them to the last
  friend bool operator==(const Spread&, const Spread&) = default;
};

// To the source: by way of which of its children the sender has the chunks of each tree. The sender itself: it is one of them; kNobody: it
// has none.
struct Roots {
  static constexpr std::uint16_t kType = 15;
  std::array<NodeTag, kTrees> roots{};
  friend bool operator==(const Roots&, const Roots&) = default;
};

// To a parent, of a node that its path names: its address is wanted. The answer is one of PEX.
struct Introduce {
  static constexpr std::uint16_t kType = 16;
  NodeTag whom;
  friend bool operator==(const Introduce&, const Introduce&) = default;
};

using PushMessage = std::variant<Subscribe, Accept, Refuse, Redirect, Unsubscribe, PathNews, Advert, HaveMap, Nack, Busy, Bundle, Train,
                                 Spread, Roots, Introduce>;

[[nodiscard]] std::uint16_t type_of(const PushMessage& message);
// The value that goes with the type.
[[nodiscard]] base::Bytes encode_push(const PushMessage& message);
// nullopt: not one of these types, or not a value of it. Values may be longer where their layout has an end.
[[nodiscard]] std::optional<PushMessage> decode_push(std::uint16_t type, base::ByteView value, const wire::Format& format);

}  // namespace runnel::swarm
