// Who feeds us and whom we feed, tree by tree: subscribing, adopting, displacing, leaving (docs/live.md).
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/swarm/experience.hpp"
#include "core/swarm/home_trees.hpp"
#include "core/swarm/introductions.hpp"
#include "core/swarm/io.hpp"
#include "core/swarm/neighbourhood.hpp"
#include "core/swarm/push_messages.hpp"
#include "core/swarm/push_queue.hpp"
#include "core/swarm/push_trees.hpp"
#include "core/swarm/waiting_line.hpp"
#include "core/swarm/witnesses.hpp"

namespace runnel::swarm {

// A message on its way out.
struct PushOut {
  PeerKey to;
  PushMessage message;
};

class Substreams {
 public:
  static constexpr std::size_t kMaxChildren = 64;        // of one tree
  static constexpr std::size_t kMaxAvoided = 64;         // neighbours of one tree
  static constexpr int kMaxHints = 3;                    // followed in a row
  static constexpr unsigned kSourceQuota = 2;            // children of the source in each tree (live-model.md)
  static constexpr unsigned kParentCap = 4;              // trees of one parent, before others are preferred
  static constexpr std::uint8_t kWeaker = 4;             // who is displaced has a key less by half a slot
  static constexpr std::uint8_t kGiverKey = 1;  // at least, of who gives anything; who does not has 0 and makes room for all who do

  // What we can give, and what the stream needs.
  struct Means {
    double slots = 0;            // sixteenths of the stream that may be passed on, in all
    double uplink = 0;           // in stream rates
    double rate = 0;             // of the stream, bytes per second on the wire
    std::uint32_t chunk_bytes = 0;
    base::Duration spacing{};    // between two chunks of one tree
  };

  Substreams(NodeTag self, bool source, base::Rng rng);

  void set_means(const Means& means, const Neighbourhood& hood);
  [[nodiscard]] const Means& means() const { return means_; }
  // Newcomers get slots until half of all are used, and nobody's place who was there before. Else a crowd takes in a second what those
  // who watch live on.
  void let_newcomers_wait(bool wait) { newcomers_wait_ = wait; }

  struct Asker {
    PeerKey peer;
    NodeTag tag;
    base::Time met;
    base::Duration delay{};   // one way
  };
  void on_subscribe(const Asker& from, const Subscribe& subscribe, base::Time now);
  // There is no time for more children, whatever the slots.
  void turn_away(const Asker& from, const Subscribe& subscribe, base::Time now) { refuse(from, subscribe, Refuse::Reason::full, now); }
  void on_accept(PeerKey from, const Accept& accept, base::Time now);
  void on_refuse(PeerKey from, const Refuse& refuse, const Neighbourhood& hood, base::Time now);
  void on_redirect(PeerKey from, const Redirect& redirect, const Neighbourhood& hood, base::Time now);
  void on_unsubscribe(PeerKey from, const Unsubscribe& unsubscribe, base::Time now);
  void on_path(PeerKey from, const PathNews& news, base::Time now);
  void forget(PeerKey peer);

  // Something of this tree is there and ought to come.
  void exists(std::size_t tree, base::Time now);
  void arrived(std::size_t tree, PeerKey from);
  // One who is no parent of ours in it sends what nobody asked for.
  void stray(std::size_t tree, PeerKey from, base::Time now);
  // The source's: whose key is believed.
  void judge(const Witnesses& witnesses, base::Time now);
  // Finds parents, leaves those that are dead or starve us, lets children go.
  void tick(const Neighbourhood& hood, base::Time now);

  [[nodiscard]] std::optional<PeerKey> parent(std::size_t tree) const { return trees_[tree].parent; }
  [[nodiscard]] bool attached() const;                      // by most trees
  [[nodiscard]] bool begun(base::Time now) const;           // half of those with chunks feed us
  [[nodiscard]] bool fed(std::size_t tree, base::Time now) const;
  // No parent, or nothing from it for longer than chunks are apart: what is missing may not be on its way.
  [[nodiscard]] bool doubtful(std::size_t tree, base::Time now) const;
  [[nodiscard]] bool is_child(PeerKey peer) const;
  [[nodiscard]] bool is_parent(PeerKey peer) const { return shared_with(peer) != 0; }
  // Stands above our parent where we feed many, and is known by introduction.
  [[nodiscard]] bool looks_up_to(NodeTag tag, base::Time now) const;
  // fn(the child, as what its chunks wait).
  template <class Fn>
  void for_children(std::size_t tree, Fn fn) const {
    for (const Child& child : trees_[tree].children) fn(child.peer, class_for(child));
  }
  [[nodiscard]] std::size_t children() const;
  [[nodiscard]] std::uint8_t weakest_rank(std::size_t tree) const;   // Advert::kNoChildren: none
  [[nodiscard]] std::uint8_t key(std::size_t tree) const;
  // Our parent of this name, where the asker is a child of ours and that one would take it. nullopt: it is told nothing.
  [[nodiscard]] std::optional<PeerKey> introduces(PeerKey asker, NodeTag whom, const Neighbourhood& hood) const;
  [[nodiscard]] std::uint8_t room() const;                          // half slots
  // Among those who wait until there is uplink for them. nullopt: we do not.
  [[nodiscard]] std::optional<unsigned> place(base::Time now) const;
  // By way of which children of the source we are fed: not where our parent says that it is not, and passes on what it had to ask for.
  [[nodiscard]] Roots roots(const Neighbourhood& hood, base::Time now) const;
  [[nodiscard]] std::vector<PushOut> take_out();
  // Adds what it knows.
  void describe(PushState& state, base::Time now) const;

 private:
  struct Child {
    PeerKey peer;
    NodeTag tag;
    base::Time met;
    std::uint8_t key = 0;              // as far as it is believed
    std::uint8_t rank = 0;             // of several, those with the least make room: the key, less the farther it is
    base::Time since;
    std::optional<base::Time> until;   // redirected, and fed no longer than this
    bool idle = false;                 // nobody is seen below it
    bool quiet = false;  // not heard lately: perhaps gone without a word
    // Takes a place that others may not have.
    [[nodiscard]] bool counts() const { return !until && !quiet; }
    // Goes first when a place is needed: who gives the least, and of those who give nothing who came last.
    [[nodiscard]] bool before(const Child& other) const { return rank != other.rank ? rank < other.rank : rank == 0 && met > other.met; }
  };
  struct Tree {
    std::optional<PeerKey> parent;
    Path path;                              // of the parent
    base::Time accepted;
    bool came = false;                      // something, since it accepted
    unsigned pending = 0;                   // known to be there since the parent last sent something
    base::Time pending_since;
    double patience = 1;                    // drawn: who starves with others does not leave with them
    std::uint8_t told_key = 0;              // to the parent
    std::optional<base::Time> redirected;   // the parent feeds us no longer than this
    std::optional<PeerKey> asked;
    base::Time asked_at;
    std::optional<PeerKey> hint;
    int hints = 0;
    base::Time next_better;
    base::Time next_ask;
    base::Time next_path;
    base::Time next_climb;
    base::Time next_stray;
    std::map<PeerKey, base::Time> avoided;
    std::vector<Child> children;
    bool dead = false;                      // the source's: hardly anybody has it from us
  };

  [[nodiscard]] static SendClass class_for(const Child& child);
  [[nodiscard]] static unsigned cost(std::size_t tree) { return is_bundle_tree(tree) ? 1 : 2; }   // half slots
  [[nodiscard]] unsigned used() const;
  [[nodiscard]] bool has_room(std::size_t tree) const;
  [[nodiscard]] Path our_path(std::size_t tree) const;
  [[nodiscard]] unsigned shared_with(PeerKey peer) const;
  [[nodiscard]] bool starving(const Tree& tree, base::Duration limit, base::Time now) const;
  [[nodiscard]] std::optional<base::Duration> price(std::size_t tree, PeerKey peer, const Neighbour& neighbour, base::Time now) const;
  [[nodiscard]] std::optional<base::Duration> offer(std::size_t tree, PeerKey peer, const Neighbour& neighbour, base::Time now) const;
  [[nodiscard]] bool worth(std::size_t tree, base::Duration offer, const Neighbourhood& hood, base::Time now) const;
  void ask(std::size_t tree, PeerKey peer, base::Time now);
  void seek(std::size_t tree, const Neighbourhood& hood, base::Time now);
  void climb(std::size_t tree, const Neighbourhood& hood, base::Time now);
  void check_parent(std::size_t tree, const Neighbourhood& hood, base::Time now);
  void leave(std::size_t tree, base::Time now);
  void avoid(Tree& tree, PeerKey peer, base::Time now);
  void drop_children(std::size_t tree, const Neighbourhood& hood, base::Time now);
  void shed(base::Time now);
  void tell_path(std::size_t tree);
  [[nodiscard]] NodeTag grandparent(std::size_t tree) const;
  [[nodiscard]] bool barren(std::size_t tree) const;
  Child* weakest(std::size_t tree);
  [[nodiscard]] bool waits_as_newcomer(base::Time met, base::Time now) const;
  void refuse(const Asker& from, const Subscribe& subscribe, Refuse::Reason reason, base::Time now);
  void redirect(std::size_t tree, Child& child, NodeTag hint, base::Time now);
  [[nodiscard]] std::uint8_t believed(PeerKey from, const Subscribe& subscribe, base::Time now) const;
  [[nodiscard]] NodeTag hint(std::size_t tree, PeerKey asker);
  void say(PeerKey to, PushMessage message) { out_.push_back({to, std::move(message)}); }

  NodeTag self_;
  bool source_;
  base::Rng rng_;
  Means means_;
  bool newcomers_wait_ = false;
  std::array<Tree, kTrees> trees_;
  HomeTrees home_;
  base::Time next_shed_;
  base::Time next_look_;            // at the children
  Experience experience_;
  Introductions introductions_;
  WaitingLine line_;
  Place place_;
  std::vector<PushOut> out_;
  struct {
    std::uint64_t accepted = 0, refused = 0, redirected = 0, found = 0, left = 0, introductions = 0;
  } counts_;
};

}  // namespace runnel::swarm
