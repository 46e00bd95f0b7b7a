// What waits to be sent to who pushes, in the order in which it leaves: bundles, then what newcomers begin with as far as it is their turn
// (Welcome), repair, then chunks, the oldest first: to those who pass them on, to the others, to those who can wait; and last of all what
// was asked for by pull.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <tuple>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/time.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

enum class SendClass : std::uint8_t { bundle, welcome, repair, onward, push, spare, pull };
constexpr std::size_t kSendClasses = 7;

// Goes along a tree, unasked.
constexpr bool is_pushed(SendClass what) { return what == SendClass::onward || what == SendClass::push || what == SendClass::spare; }
// Only what the line has left is for these.
constexpr bool is_spare(SendClass what) { return what == SendClass::spare || what == SendClass::pull; }

struct Send {
  SendClass what = SendClass::push;
  tree::ChunkIndex index;      // a bundle's: its munro's first
  PeerKey to;
  base::Time queued;
};

class PushQueue {
 public:
  static constexpr std::size_t kMaxQueued = 4096;      // three seconds of a stream at 2.4 Mb/s, four times over
  static constexpr std::size_t kMaxRepairs = 64;       // of one peer
  static constexpr std::size_t kMaxPulls = 256;        // of one peer: two seconds of such a stream, and a little

  explicit PushQueue(std::uint32_t chunk_bytes) : chunk_bytes_(chunk_bytes) {}

  // False: it is there, or there are too many.
  bool add(const Send& send);
  // `welcome`: it is the turn of what newcomers begin with; else that leaves where nothing but pull waits.
  [[nodiscard]] std::optional<Send> pop(bool welcome);
  // The peer has it.
  void remove(PeerKey to, tree::ChunkIndex index);
  [[nodiscard]] bool waits_for(PeerKey to) const { return waiting_.contains(to); }
  void forget(PeerKey to);
  // Nothing of a tree goes to this peer any more; repairs stay, but those that are spare.
  void forget_tree(PeerKey to, std::size_t tree);
  [[nodiscard]] bool empty() const { return sends_.empty(); }
  [[nodiscard]] std::size_t size() const { return sends_.size(); }
  // What we owe, what newcomers begin with, and what is_spare().
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t welcome_bytes() const { return welcome_bytes_; }
  [[nodiscard]] std::uint64_t spare_bytes() const { return spare_bytes_; }
  [[nodiscard]] std::uint32_t bytes_of(SendClass what) const { return what == SendClass::bundle ? kBundleBytes : chunk_bytes_; }

 private:
  static constexpr std::uint32_t kBundleBytes = 750;   // on the wire: 18 chunks of a record of 66 ms at 2.4 Mb/s
  struct Earlier {
    bool operator()(const Send& a, const Send& b) const { return std::tuple{a.what, a.index, a.to} < std::tuple{b.what, b.index, b.to}; }
  };
  using Sends = std::set<Send, Earlier>;
  // What waits for one peer. Most neighbours are sent nothing, and say all the time what they have.
  struct Waiting {
    std::size_t all = 0;
    std::array<std::size_t, kSendClasses> by_class{};
    [[nodiscard]] std::size_t of(SendClass what) const { return by_class[static_cast<std::size_t>(what)]; }
    [[nodiscard]] bool full(SendClass what) const {
      return (what == SendClass::repair && of(what) >= kMaxRepairs) || (what == SendClass::pull && of(what) >= kMaxPulls);
    }
    void count(SendClass what, std::size_t by) {   // -1: one less
      all += by;
      by_class[static_cast<std::size_t>(what)] += by;
    }
  };
  Sends::iterator erase(Sends::iterator at);
  std::uint64_t& bytes_in(SendClass what) { return what == SendClass::welcome ? welcome_bytes_ : is_spare(what) ? spare_bytes_ : bytes_; }

  std::uint32_t chunk_bytes_;
  Sends sends_;
  boost::unordered_flat_map<PeerKey, Waiting, std::hash<PeerKey>> waiting_;
  std::uint64_t bytes_ = 0;
  std::uint64_t welcome_bytes_ = 0;
  std::uint64_t spare_bytes_ = 0;
};

}  // namespace runnel::swarm
