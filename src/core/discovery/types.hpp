// The names that trackers know: info-hash, peer id, and how far a download is.
#pragma once
#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace runnel::discovery {

constexpr std::size_t kIdSize = 20;  // BEP 3: info_hash and peer_id are 20 bytes each

template <class Tag>
struct Id20 {
  std::array<std::byte, kIdSize> bytes{};

  // Exactly kIdSize bytes, else nullopt.
  static std::optional<Id20> from(base::ByteView view) {
    if (view.size() != kIdSize) return std::nullopt;
    Id20 id;
    std::ranges::copy(view, id.bytes.begin());
    return id;
  }
  [[nodiscard]] base::ByteView view() const { return bytes; }
  friend constexpr auto operator<=>(const Id20&, const Id20&) = default;
};

using InfoHash = Id20<struct InfoHashTag>;
using PeerId = Id20<struct PeerIdTag>;

// The numbers are those of BEP 15.
enum class AnnounceEvent : std::uint8_t { none = 0, completed = 1, started = 2, stopped = 3 };

// Bytes of payload since the start. A live viewer is never finished: it keeps `left` above zero, so that trackers, which do
// not tell seeds of seeds, go on telling it of others.
struct TransferStats {
  std::uint64_t uploaded = 0;
  std::uint64_t downloaded = 0;
  std::uint64_t left = 1;
};

}  // namespace runnel::discovery
