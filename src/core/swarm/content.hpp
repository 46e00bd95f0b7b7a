// What a swarm consists of: which chunks there are, which we hold, and what it takes to believe one.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/time.hpp"
#include "core/swarm/chunk_signatures.hpp"
#include "core/swarm/io.hpp"
#include "core/swarm/live_form.hpp"
#include "core/swarm/metadata.hpp"
#include "core/swarm/push_messages.hpp"
#include "core/tree/hash_tree.hpp"
#include "core/tree/interval_set.hpp"
#include "core/wire/message.hpp"

namespace runnel::swarm {

// Static and live content share the tree and the set of chunks held. One owner: the swarm.
class Content {
 public:
  Content(const Metadata& metadata, const SwarmParts& parts) : metadata_(metadata), tree_(*parts.nodes, *parts.hasher) {}
  virtual ~Content() = default;

  [[nodiscard]] const tree::IntervalSet& have() const { return have_; }
  [[nodiscard]] tree::HashTree& tree() { return tree_; }
  [[nodiscard]] bool has(tree::ChunkRange range) const { return have_.contains(range); }
  void mark_held(tree::ChunkRange range) { have_.insert(range); }
  void forget(tree::ChunkRange range) { have_.erase(range); }

  // Whether chunks of this range can exist: what a HAVE or a REQUEST may name. A range may be cut.
  [[nodiscard]] virtual std::optional<tree::ChunkRange> plausible(tree::ChunkRange range) const = 0;
  // Where proofs of this chunk end: the root, or its munro. nullopt while the root's place is unknown.
  [[nodiscard]] virtual std::optional<tree::Bin> top(tree::ChunkIndex index) const = 0;
  // The INTEGRITY messages that stood together before a DATA or the end of the datagram. False: they contradict what is known.
  [[nodiscard]] virtual bool offer(std::span<const tree::NodeHash> offered, tree::HashInbox& inbox);
  // Hashes the chunk and judges it. Nothing is stored here; `verified` means its hashes are trusted now.
  [[nodiscard]] virtual tree::LeafCheck check(tree::ChunkIndex index, base::ByteView payload, const tree::HashInbox& inbox) = 0;

 protected:
  // A run of leaf hashes that makes up a whole block is checked at once (see Swarm::send_hash_list).
  [[nodiscard]] bool try_leaf_list(std::span<const tree::NodeHash> offered, const tree::HashInbox& inbox);

  const Metadata& metadata_;
  tree::HashTree tree_;
  tree::IntervalSet have_;
  std::vector<crypto::Digest> leaves_;   // scratch
};

// Chunks whose leaf hashes travel together; aligned.
constexpr unsigned kBlockLayer = 5;
constexpr std::uint64_t kBlockChunks = std::uint64_t{1} << kBlockLayer;

class StaticContent final : public Content {
 public:
  StaticContent(const Metadata& metadata, const SwarmParts& parts);

  std::optional<tree::ChunkRange> plausible(tree::ChunkRange range) const override;
  std::optional<tree::Bin> top(tree::ChunkIndex index) const override;
  bool offer(std::span<const tree::NodeHash> offered, tree::HashInbox& inbox) override;
  tree::LeafCheck check(tree::ChunkIndex index, base::ByteView payload, const tree::HashInbox& inbox) override;

  [[nodiscard]] std::optional<std::uint64_t> chunks() const { return tree_.chunk_count(); }
  [[nodiscard]] std::optional<std::uint64_t> bytes() const { return bytes_; }
  [[nodiscard]] bool complete() const { return chunks() && have_.count() == *chunks(); }
  [[nodiscard]] const crypto::Digest& root() const { return root_; }
  // The block (or the whole tree, if smaller) that holds a chunk. Only once the size is known.
  [[nodiscard]] tree::Bin block_of(tree::ChunkIndex index) const;

 private:
  [[nodiscard]] bool right_length(tree::ChunkIndex index, std::size_t size) const;

  crypto::Digest root_;
  std::optional<std::uint64_t> bytes_;
  bool peaks_known_ = false;
};

// A munro that the source signed.
struct SignedMunro {
  wire::NtpTimestamp timestamp;
  base::Bytes signature;
  crypto::Digest hash;
  std::optional<std::uint32_t> used;   // leaves that carry chunks, from the first; once proved
  bool complete = false;
};

class LiveContent final : public Content {
 public:
  // Munros kept: a window of two minutes at 8192 indices per second has room for 30,720 of 32.
  static constexpr std::size_t kMaxMunros = 32'768;
  // Indices further ahead of the local clock than this are not believed alone (design: viewers' clocks are often wrong).
  static constexpr std::uint64_t kMaxAheadSeconds = 60;
  // A munro that was signed so much longer than the window before the newest known one is too old (RFC 7574 6.1.2.4); and at tune-in, one
  // signed longer ago than that by our clock. The margin is for sources whose clock was set back meanwhile.
  static constexpr std::uint64_t kStaleMarginSeconds = 10;

  LiveContent(const Metadata& metadata, const SwarmParts& parts);

  std::optional<tree::ChunkRange> plausible(tree::ChunkRange range) const override;
  std::optional<tree::Bin> top(tree::ChunkIndex index) const override { return tree::munro_of(index, metadata_.munro_width); }
  tree::LeafCheck check(tree::ChunkIndex index, base::ByteView payload, const tree::HashInbox& inbox) override;

  // SIGNED_INTEGRITY: the munro's hash was offered before it. False: the signature does not hold. What is too old is let go, unjudged.
  [[nodiscard]] bool offer_signed(const wire::SignedIntegrity& message, const tree::HashInbox& inbox);
  // Where each chunk is signed (RFC 7574 6.1.1): by its own signature. Then it is a munro that has this one chunk.
  [[nodiscard]] tree::LeafCheck check_signed(const ChunkSignature& signature, base::ByteView payload);
  // All that proves a munro's chunks at once; by push alone, so never in the compat form. `wrong`: the signature, or what is known of the
  // munro, is against it.
  enum class BundleCheck : std::uint8_t { fresh, known, wrong };
  [[nodiscard]] BundleCheck offer_bundle(const Bundle& bundle);
  // nullopt: not all of its leaves are known here.
  [[nodiscard]] std::optional<Bundle> bundle(std::uint64_t munro);
  [[nodiscard]] const SignedMunro* munro(tree::ChunkIndex index) const;
  [[nodiscard]] const LiveForm& form() const { return form_; }
  // Whether it was signed too long before `now` to be the live edge.
  [[nodiscard]] bool stale_at(const SignedMunro& munro, base::WallTime now) const;
  [[nodiscard]] const SignedMunro* newest_munro() const { return munros_.empty() ? nullptr : &munros_.rbegin()->second; }
  [[nodiscard]] std::optional<tree::ChunkRange> newest_munro_range() const;
  // The chunks of a munro, if all that it has are verified by now and this was not said before.
  [[nodiscard]] std::optional<tree::ChunkRange> take_completed(tree::ChunkIndex index);

  // The source: chunks of one munro from `first` on are hashed, signed and held. Returns their range.
  tree::ChunkRange publish(tree::ChunkIndex first, std::span<const base::ByteView> chunks, base::WallTime now);

  // Forgets what lies behind the window. Returns the new lower end if it moved.
  [[nodiscard]] std::optional<tree::ChunkIndex> trim(tree::ChunkIndex newest);
  [[nodiscard]] tree::ChunkIndex lowest() const { return lowest_; }

 private:
  // Beside the newest munro: by the source's own clock, so that ours does not matter. What has a newer index is never too old.
  [[nodiscard]] bool too_old(tree::Bin munro, wire::NtpTimestamp timestamp) const;
  [[nodiscard]] bool longer_than_window(wire::NtpTimestamp from, wire::NtpTimestamp until) const;
  // A munro of this hash elsewhere, where signatures do not bind a munro to its place.
  [[nodiscard]] bool replayed(const crypto::Digest& hash) const;
  void prove_used(tree::ChunkIndex index, SignedMunro& munro);

  LiveForm form_;
  tree::NodeStore& nodes_;
  crypto::Verifier* verifier_;
  crypto::Signer* signer_;
  std::map<std::uint64_t, SignedMunro> munros_;  // by bin offset
  tree::ChunkIndex lowest_{0};
};

// Gives the source's records their places: a record starts at the larger of the next free munro and the time's index.
class LiveIndexer {
 public:
  LiveIndexer(std::uint32_t munro_width, std::uint32_t chunk_size, std::optional<tree::ChunkIndex> last_used)
      : width_(munro_width), chunk_size_(chunk_size), next_(last_used ? last_used->value() + 1 : 0) {}

  // Where a record begun now starts. Does not reserve it.
  [[nodiscard]] tree::ChunkIndex start_at(base::WallTime now) const;
  // A record of so many bytes was put at `first`.
  void advance(tree::ChunkIndex first, std::size_t bytes);
  [[nodiscard]] std::optional<tree::ChunkIndex> last_used() const;

 private:
  std::uint64_t width_;
  std::uint64_t chunk_size_;
  std::uint64_t next_;
};

}  // namespace runnel::swarm
