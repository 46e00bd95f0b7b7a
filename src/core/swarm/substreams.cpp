#include "core/swarm/substreams.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace runnel::swarm {
namespace {

// live-model.md; docs/live.md says what each was tried against.
constexpr base::Duration kFedWithin{250'000};        // who was fed longer ago takes no children
constexpr base::Duration kFirstChunk{300'000};       // and a round trip, after acceptance
constexpr base::Duration kDoubt{200'000};
constexpr base::Duration kParentSilence{350'000};
constexpr base::Duration kChildSilence{1'500'000};
constexpr base::Duration kChildQuiet{450'000};       // whoever wants its place has it, and the others come first
constexpr base::Duration kLookEach{100'000};         // at the children
constexpr base::Duration kStarved = std::chrono::seconds{1};
constexpr base::Duration kFarewell{700'000};         // a redirected child is fed so long
constexpr base::Duration kAnswerTime{100'000};       // and a round trip
constexpr base::Duration kAnswerWait{300'000};       // at most
constexpr base::Duration kBetterEach{2'500'000};
constexpr double kForNewcomers = 0.5;                // of the slots, as far as nobody else has them
constexpr base::Duration kWaiterAsks =
    std::chrono::seconds{1};   // and half a second, in each tree: who gives nothing, where no room is shown
// The model had 40 ms and 15 %; where streams come in bursts, lags tell less, and each change costs a round trip of chunks that come twice.
constexpr base::Duration kBetterBy{100'000};
constexpr double kBetterShare = 0.30;
constexpr base::Duration kStrayEach{300'000};
constexpr base::Duration kClimbEach = std::chrono::seconds{2};
constexpr base::Duration kPathEach = std::chrono::seconds{2};
constexpr base::Duration kShedEach{200'000};
constexpr double kShedPast = 1.15;  // children in excess of the slots
constexpr base::Duration kSharedCost{30'000};
constexpr base::Duration kOverCapCost{150'000};
constexpr int kSendsAhead = 6;  // chunks that leave before ours, on the mean
constexpr base::Duration kTrial = std::chrono::seconds{5};  // a child of the source has others below it by then
constexpr std::uint8_t kOnwardKey = 16;  // nobody has more in trees that are not its home: above it is who passes on much
// What the key of one that feeds nobody counts at most: less than that of those who give much have in trees that are not their homes, since
// there may be none at home in this one.
constexpr std::uint8_t kIdleKey = 8;
constexpr base::Duration kAdvertLife = 3 * Neighbourhood::kAdvertInterval;

std::uint8_t idle_key(std::size_t tree) { return is_bundle_tree(tree) ? Substreams::kGiverKey : kIdleKey; }

// Who has this rank takes the place of one who has that.
bool outranks(std::uint8_t rank, std::uint8_t of) { return rank > of + (of >= Substreams::kGiverKey ? Substreams::kWeaker : 0); }

// All below a child wait for its way. Who gives anything comes before who gives nothing, however far.
std::uint8_t rank_of(std::uint8_t key, base::Duration delay) {
  constexpr base::Duration kFar{80'000};
  constexpr double kLeastShare = 0.15;
  if (key < Substreams::kGiverKey) return key;
  const double share = 1 - static_cast<double>(delay.count()) / static_cast<double>(kFar.count());
  return std::max(Substreams::kGiverKey, static_cast<std::uint8_t>(key * std::max(kLeastShare, share)));
}

base::Duration answer_wait(const Neighbour* asked) {
  return asked == nullptr ? kAnswerWait : std::min(kAnswerWait, kAnswerTime + 5 * asked->delay() / 2);
}

bool holds(const Path& path, NodeTag tag) { return std::ranges::find(path, tag) != path.end(); }

}  // namespace

Substreams::Substreams(NodeTag self, bool source, base::Rng rng) : self_(self), source_(source), rng_(rng) {}

// ---- what we can give -----------------------------------------------------------------------------------------------

void Substreams::set_means(const Means& means, const Neighbourhood& hood) {
  means_ = means;
  home_.choose(means.slots, hood, rng_);
}

std::uint8_t Substreams::key(std::size_t tree) const {
  if (means_.rate > 0 && means_.slots <= 0) return 0;
  const double key =
      (home_.contains(tree) ? means_.slots / static_cast<double>(home_.all().size()) : 0) + 0.5 * std::min(4.0, means_.uplink);
  return static_cast<std::uint8_t>(std::clamp(key * 8, double{kGiverKey}, 254.0));
}

unsigned Substreams::used() const {
  unsigned used = 0;
  for (std::size_t tree = 0; tree < kTrees; ++tree) {
    used += cost(tree) * static_cast<unsigned>(std::ranges::count_if(trees_[tree].children, &Child::counts));
  }
  return used;
}

std::uint8_t Substreams::room() const {
  const double all = source_ ? kSourceQuota * (2.0 * kSubstreams + kBundleTrees) : 2 * means_.slots;
  return static_cast<std::uint8_t>(std::clamp(all - used(), 0.0, 255.0));
}

bool Substreams::has_room(std::size_t tree) const {
  const auto children = std::ranges::count_if(trees_[tree].children, &Child::counts);
  if (source_) return static_cast<unsigned>(children) < kSourceQuota;
  return trees_[tree].children.size() < kMaxChildren && used() + cost(tree) <= 2 * means_.slots;
}

// The source's: hardly anybody has this tree, and all who stand here were seen to feed nobody.
bool Substreams::barren(std::size_t tree) const {
  const Tree& one = trees_[tree];
  return one.dead && std::ranges::all_of(one.children, [](const Child& child) { return child.idle || !child.counts(); });
}

std::uint8_t Substreams::weakest_rank(std::size_t tree) const {
  std::uint8_t least = Advert::kNoChildren;
  for (const Child& child : trees_[tree].children) {
    if (child.counts()) least = std::min(least, child.rank);
  }
  const bool free_to_all = least != Advert::kNoChildren && barren(tree);
  return free_to_all ? std::uint8_t{0} : least;
}

Substreams::Child* Substreams::weakest(std::size_t tree) {
  Child* least = nullptr;
  for (Child& child : trees_[tree].children) {
    if (child.counts() && (least == nullptr || child.before(*least))) least = &child;
  }
  return least;
}

std::size_t Substreams::children() const {
  std::size_t count = 0;
  for (const Tree& tree : trees_) count += tree.children.size();
  return count;
}

bool Substreams::is_child(PeerKey peer) const {
  return std::ranges::any_of(trees_,
                             [&](const Tree& tree) { return std::ranges::find(tree.children, peer, &Child::peer) != tree.children.end(); });
}

bool Substreams::attached() const {
  if (source_) return true;
  return std::ranges::count_if(trees_, [](const Tree& tree) { return tree.parent && tree.came; }) > static_cast<int>(kTrees) / 2;
}

bool Substreams::begun(base::Time now) const {
  std::size_t fed_trees = 0;
  for (std::size_t tree = 0; tree < kSubstreams; ++tree) fed_trees += fed(tree, now);
  return 4 * fed_trees >= kSubstreams;
}

Path Substreams::our_path(std::size_t tree) const {
  Path path = source_ ? Path{} : trees_[tree].path;
  path.push_back(self_);
  return path;
}

// ---- as a parent ----------------------------------------------------------------------------------------------------

void Substreams::on_subscribe(const Asker& from, const Subscribe& subscribe, base::Time now) {
  Tree& tree = trees_[subscribe.tree];
  const auto refuse = [&](Refuse::Reason reason) { this->refuse(from, subscribe, reason, now); };
  if (!fed(subscribe.tree, now) || tree.redirected) return refuse(Refuse::Reason::starving);
  const Path path = our_path(subscribe.tree);
  if (tree.parent == from.peer || holds(path, from.tag) || path.size() >= kMaxPath) return refuse(Refuse::Reason::loop);
  const auto known = std::ranges::find(tree.children, from.peer, &Child::peer);
  const std::uint8_t key = believed(from.peer, subscribe, now);
  // Who stood idle takes the place of nobody who gives.
  const std::uint8_t most = experience_.was_idle(from.peer, now) ? kGiverKey : key;
  const std::uint8_t rank = std::min(most, rank_of(key, from.delay));
  if (known != tree.children.end() && !known->until) {  // its answer was lost
    known->key = known->idle ? std::min(key, idle_key(subscribe.tree)) : key;
    known->rank = known->idle ? std::min(rank, kGiverKey) : rank;
    return say(from.peer, Accept{subscribe.tree, path});
  }
  const Child child{from.peer, from.tag, from.met, key, rank, now, std::nullopt};
  // Until they have something to give, newcomers get what they need by pull, and from one another.
  if (waits_as_newcomer(from.met, now) && !source_ && used() + cost(subscribe.tree) > 2 * kForNewcomers * means_.slots)
    return refuse(Refuse::Reason::full);
  if (!has_room(subscribe.tree)) {
    Child* weak = weakest(subscribe.tree);
    const auto yields = [&](const Child& one) {
      if (waits_as_newcomer(from.met, now) && !waits_as_newcomer(one.met, now) && one.rank >= kGiverKey) return false;
      const bool revives = key >= kGiverKey && barren(subscribe.tree) && !experience_.was_idle(from.peer, now);
      return revives || outranks(rank, one.rank) || (key == 0 && one.before(child));
    };
    if (weak == nullptr || !yields(*weak) || tree.children.size() >= kMaxChildren) return refuse(Refuse::Reason::full);
    if (weak->idle) experience_.stood_idle(weak->peer, now);
    redirect(subscribe.tree, *weak, from.tag, now);
  }
  if (known != tree.children.end())
    *known = child;
  else
    tree.children.push_back(child);
  ++counts_.accepted;
  say(from.peer, Accept{subscribe.tree, path});
}

// ---- as the source --------------------------------------------------------------------------------------------------

void Substreams::judge(const Witnesses& witnesses, base::Time now) {
  for (std::size_t tree = 0; tree < kTrees; ++tree) {
    std::vector<NodeTag> children;
    for (const Child& child : trees_[tree].children) children.push_back(child.tag);
    trees_[tree].dead = !children.empty() && witnesses.dead(tree, children, now);
    for (Child& child : trees_[tree].children) {
      child.idle = !child.until && now - child.since > kTrial && witnesses.idle(tree, child.tag, now);
      if (!child.idle) continue;
      child.key = std::min(child.key, idle_key(tree));
      child.rank = std::min(child.rank, kGiverKey);
    }
  }
}

std::uint8_t Substreams::believed(PeerKey from, const Subscribe& subscribe, base::Time now) const {
  return experience_.believed(from, now) ? subscribe.key : std::min(subscribe.key, idle_key(subscribe.tree));
}

bool Substreams::waits_as_newcomer(base::Time met, base::Time now) const { return newcomers_wait_ && now - met < Neighbourhood::kNewcomer; }

void Substreams::refuse(const Asker& from, const Subscribe& subscribe, Refuse::Reason reason, base::Time now) {
  ++counts_.refused;
  // The source keeps to its quota, whatever its line carries: then nobody waits for uplink.
  const bool spent = !source_ || used() + cost(subscribe.tree) > 2 * means_.slots;
  const bool waits = reason == Refuse::Reason::full && spent && (subscribe.key < kGiverKey || waits_as_newcomer(from.met, now));
  const std::uint16_t place = waits ? line_.refused(from.peer, from.met, now) : std::uint16_t{0};
  say(from.peer, Refuse{subscribe.tree, reason, hint(subscribe.tree, from.peer), place});
}

// Of the children, the strongest is the likeliest to have room; none of the one who asks.
NodeTag Substreams::hint(std::size_t tree, PeerKey asker) {
  const Child* best = nullptr;
  for (const Child& child : trees_[tree].children) {
    if (child.peer != asker && child.counts() && (best == nullptr || child.rank > best->rank)) best = &child;
  }
  return best == nullptr ? kNobody : best->tag;
}

void Substreams::redirect(std::size_t tree, Child& child, NodeTag hint, base::Time now) {
  child.until = now + kFarewell;
  ++counts_.redirected;
  say(child.peer, Redirect{static_cast<std::uint8_t>(tree), hint});
}

void Substreams::on_unsubscribe(PeerKey from, const Unsubscribe& unsubscribe, base::Time now) {
  auto& children = trees_[unsubscribe.tree].children;
  const auto child = std::ranges::find(children, from, &Child::peer);
  if (child == children.end()) return;
  if (child->idle) experience_.stood_idle(from, now);  // whoever goes before it has to is not forgotten
  children.erase(child);
}

// Who passes on what it gets comes first; who gives nothing, or was not heard lately and may be gone, last.
SendClass Substreams::class_for(const Child& child) {
  if (child.quiet || child.key < kGiverKey) return SendClass::spare;
  return child.key > kOnwardKey ? SendClass::onward : SendClass::push;
}

// Children tell their parents something every 400 ms: who does not is gone without a word, and what is sent there is wasted.
void Substreams::drop_children(std::size_t tree, const Neighbourhood& hood, base::Time now) {
  for (Child& child : trees_[tree].children) {
    const Neighbour* neighbour = hood.find(child.peer);
    child.quiet = neighbour != nullptr && now - neighbour->heard > kChildQuiet;
  }
  std::erase_if(trees_[tree].children, [&](const Child& child) {
    const Neighbour* neighbour = hood.find(child.peer);
    return (child.until && now >= *child.until) || neighbour == nullptr || now - neighbour->heard > kChildSilence;
  });
}

// The line carries less than was thought: the weakest child of all goes, one at a time.
void Substreams::shed(base::Time now) {
  if (source_ || now < next_shed_ || used() <= 2 * means_.slots * kShedPast) return;
  next_shed_ = now + kShedEach;
  std::optional<std::size_t> tree;
  for (std::size_t i = 0; i < kTrees; ++i) {
    if (weakest_rank(i) != Advert::kNoChildren && (!tree || weakest_rank(i) < weakest_rank(*tree))) tree = i;
  }
  if (!tree) return;
  Child& child = *weakest(*tree);
  redirect(*tree, child, hint(*tree, child.peer), now);
}

void Substreams::tell_path(std::size_t tree) {
  const Path path = our_path(tree);
  if (path.size() > kMaxPath) return;
  for (const Child& child : trees_[tree].children) say(child.peer, PathNews{static_cast<std::uint8_t>(tree), path});
}

// ---- as a child -----------------------------------------------------------------------------------------------------

void Substreams::avoid(Tree& tree, PeerKey peer, base::Time now) {
  if (tree.avoided.size() >= kMaxAvoided) std::erase_if(tree.avoided, [&](const auto& entry) { return entry.second <= now; });
  if (tree.avoided.size() >= kMaxAvoided) tree.avoided.clear();
  tree.avoided[peer] = now + base::Duration{200'000 + static_cast<std::int64_t>(rng_.below(300'000))};
}

void Substreams::leave(std::size_t tree, base::Time now) {
  Tree& one = trees_[tree];
  if (!one.parent) return;
  ++counts_.left;
  say(*one.parent, Unsubscribe{static_cast<std::uint8_t>(tree)});
  avoid(one, *one.parent, now);
  one.parent.reset();
  one.redirected.reset();
  one.path.clear();
}

void Substreams::on_accept(PeerKey from, const Accept& accept, base::Time now) {
  Tree& tree = trees_[accept.tree];
  const bool awaited = tree.asked == from;
  if (awaited) tree.asked.reset();
  if (tree.parent == from) {
    if (!tree.redirected) return;
  } else if (source_ || !awaited) {  // too late: somebody else was found, or will be
    return say(from, Unsubscribe{accept.tree});
  }
  const bool both_bundles = is_bundle_tree(accept.tree) && trees_[kSubstreams + (accept.tree == kSubstreams ? 1 : 0)].parent == from;
  if (holds(accept.path, self_) || both_bundles) {
    avoid(tree, from, now);
    return say(from, Unsubscribe{accept.tree});
  }
  if (tree.parent && tree.parent != from) say(*tree.parent, Unsubscribe{accept.tree});
  ++counts_.found;
  tree.parent = from;
  tree.path = accept.path;
  tree.accepted = now;
  tree.came = false;
  tree.pending = 0;
  tree.patience = 0.8 + 0.4 * rng_.unit();
  tree.redirected.reset();
  tree.hints = 0;
  tree.next_better = now + kBetterEach + base::Duration{static_cast<std::int64_t>(rng_.below(500'000))};
  tree.next_path = now + kPathEach;
  tell_path(accept.tree);
}

void Substreams::on_refuse(PeerKey from, const Refuse& refuse, const Neighbourhood& hood, base::Time now) {
  Tree& tree = trees_[refuse.tree];
  if (tree.asked != from) return;
  tree.asked.reset();
  avoid(tree, from, now);
  if (refuse.place != 0) place_.told(refuse.place, now);
  if (refuse.place != 0 && key(refuse.tree) < kGiverKey) {  // there is nothing left, and whoever else is asked will say the same
    tree.next_ask = now + kWaiterAsks + base::Duration{static_cast<std::int64_t>(rng_.below(500'000))};
    return;
  }
  if (tree.hints < kMaxHints) {
    tree.hint = hood.find_tag(refuse.hint);
    if (tree.hint) ++tree.hints;
  } else {
    tree.hints = 0;
  }
}

void Substreams::on_redirect(PeerKey from, const Redirect& redirect, const Neighbourhood& hood, base::Time now) {
  Tree& tree = trees_[redirect.tree];
  if (tree.parent != from) return;
  tree.redirected = now + kFarewell;
  avoid(tree, from, now);
  tree.hint = hood.find_tag(redirect.hint);
  tree.hints = tree.hint ? 1 : 0;
}

void Substreams::on_path(PeerKey from, const PathNews& news, base::Time now) {
  Tree& tree = trees_[news.tree];
  if (tree.parent != from) {  // our UNSUBSCRIBE was lost, or its ACCEPT
    if (tree.asked != from) say(from, Unsubscribe{news.tree});
    return;
  }
  if (holds(news.path, self_)) return leave(news.tree, now);
  if (tree.path == news.path) return;
  tree.path = news.path;
  tell_path(news.tree);
}

Roots Substreams::roots(const Neighbourhood& hood, base::Time now) const {
  Roots roots;
  for (std::size_t tree = 0; tree < kTrees; ++tree) {
    const Neighbour* parent = trees_[tree].parent ? hood.find(*trees_[tree].parent) : nullptr;
    if (!fed(tree, now) || parent == nullptr || (parent->advert && !parent->fed(tree))) continue;
    const Path& path = trees_[tree].path;  // the source's own holds the source alone
    roots.roots[tree] = path.size() > 1 ? path[1] : self_;
  }
  return roots;
}

std::optional<unsigned> Substreams::place(base::Time now) const {
  const auto parents = std::ranges::count_if(trees_, [](const Tree& tree) { return tree.parent.has_value(); });
  return parents < static_cast<int>(kTrees) ? place_.now(now) : std::nullopt;
}

void Substreams::forget(PeerKey peer) {
  experience_.forget(peer);
  line_.forget(peer);
  for (Tree& tree : trees_) {
    if (tree.parent == peer) {
      tree.parent.reset();
      tree.redirected.reset();
      tree.path.clear();
    }
    if (tree.asked == peer) tree.asked.reset();
    if (tree.hint == peer) tree.hint.reset();
    tree.avoided.erase(peer);
    std::erase_if(tree.children, [&](const Child& child) { return child.peer == peer; });
  }
}

// ---- fed and starving -----------------------------------------------------------------------------------------------

void Substreams::exists(std::size_t tree, base::Time now) {
  Tree& one = trees_[tree];
  if (one.pending++ == 0) one.pending_since = now;
}

void Substreams::arrived(std::size_t tree, PeerKey from) {
  Tree& one = trees_[tree];
  if (one.parent != from) return;
  if (!one.came) experience_.gave(from);
  one.came = true;
  one.pending = 0;
}

// It takes us for its child: our UNSUBSCRIBE was lost, or its ACCEPT. What was on its way when we left says so once in vain.
void Substreams::stray(std::size_t tree, PeerKey from, base::Time now) {
  Tree& one = trees_[tree];
  if (source_ || one.parent == from || one.asked == from || now < one.next_stray) return;
  one.next_stray = now + kStrayEach;
  say(from, Unsubscribe{static_cast<std::uint8_t>(tree)});
}

// One chunk that does not come may be lost; two were not sent.
bool Substreams::starving(const Tree& tree, base::Duration limit, base::Time now) const {
  return tree.pending >= 2 && now - tree.pending_since > limit;
}

bool Substreams::fed(std::size_t tree, base::Time now) const {
  if (source_) return true;
  const Tree& one = trees_[tree];
  return one.parent && one.came && !starving(one, std::max(kFedWithin, 2 * means_.spacing), now);
}

bool Substreams::doubtful(std::size_t tree, base::Time now) const {
  const Tree& one = trees_[tree];
  return !one.parent || (one.pending > 0 && now - one.pending_since > std::max(kDoubt, 3 * means_.spacing));
}

// ---- looking for a parent -------------------------------------------------------------------------------------------

unsigned Substreams::shared_with(PeerKey peer) const {
  return static_cast<unsigned>(std::ranges::count_if(trees_, [&](const Tree& tree) { return tree.parent == peer; }));
}

// How late chunks would come by it, and what speaks against it besides. nullopt: it can not, or would not.
std::optional<base::Duration> Substreams::price(std::size_t tree, PeerKey peer, const Neighbour& neighbour, base::Time now) const {
  const Tree& one = trees_[tree];
  if (!neighbour.fed(tree) || !Neighbourhood::alive(neighbour, now) || now - neighbour.advert_at > kAdvertLife) return std::nullopt;
  if (std::ranges::find(one.children, peer, &Child::peer) != one.children.end()) return std::nullopt;
  if (is_bundle_tree(tree) && trees_[kSubstreams + (tree == kSubstreams ? 1 : 0)].parent == peer) return std::nullopt;
  base::Duration price = neighbour.lag(tree) + neighbour.delay() + neighbour.queue() / 2;
  price += std::max(now - neighbour.heard - kDoubt, base::Duration{});  // who was not heard lately may be gone
  const double uplink = std::max(0.05, neighbour.advert->uplink / 256.0) * means_.rate;
  if (uplink > 0) price += base::Duration{static_cast<std::int64_t>(kSendsAhead * means_.chunk_bytes * 1e6 / uplink)};
  price += experience_.cost(peer);
  const unsigned shared = shared_with(peer) - (one.parent == peer ? 1U : 0U);
  return price + kSharedCost * shared + (shared >= kParentCap ? kOverCapCost : base::Duration{});
}

// The price of one that would take us. nullopt: it would not.
std::optional<base::Duration> Substreams::offer(std::size_t tree, PeerKey peer, const Neighbour& neighbour, base::Time now) const {
  const Tree& one = trees_[tree];
  if (one.parent == peer) return std::nullopt;
  if (const auto until = one.avoided.find(peer); until != one.avoided.end() && now < until->second) return std::nullopt;
  const auto price = this->price(tree, peer, neighbour, now);
  if (!price) return std::nullopt;
  const std::uint8_t weakest = neighbour.advert->weakest_rank[tree];
  const bool weaker = weakest != Advert::kNoChildren && outranks(key(tree), weakest);
  // Of those who give nothing the last to come makes room for the others, and who has none tells them their place.
  const bool waits = key(tree) == 0 && now >= one.next_ask;
  return neighbour.advert->room >= cost(tree) || weaker || waits ? price : std::nullopt;
}

// Who has a parent can do without another: it has to be better by far.
bool Substreams::worth(std::size_t tree, base::Duration offer, const Neighbourhood& hood, base::Time now) const {
  const Tree& one = trees_[tree];
  if (!one.parent || one.redirected) return true;
  const Neighbour* parent = hood.find(*one.parent);
  const auto now_price = parent == nullptr ? std::nullopt : price(tree, *one.parent, *parent, now);
  if (!now_price) return true;
  const auto share = base::Duration{static_cast<std::int64_t>(kBetterShare * static_cast<double>(now_price->count()))};
  return offer + std::max(kBetterBy, share) <= *now_price;
}

void Substreams::ask(std::size_t tree, PeerKey peer, base::Time now) {
  Tree& one = trees_[tree];
  one.asked = peer;
  one.asked_at = now;
  one.told_key = key(tree);
  one.hint.reset();
  say(peer, Subscribe{static_cast<std::uint8_t>(tree), one.told_key});
}

void Substreams::seek(std::size_t tree, const Neighbourhood& hood, base::Time now) {
  Tree& one = trees_[tree];
  if (one.hint && one.hint != one.parent && hood.find(*one.hint) != nullptr && experience_.believed(*one.hint, now))
    return ask(tree, *one.hint, now);
  one.hint.reset();
  std::optional<PeerKey> best;
  base::Duration best_price{};
  for (const auto& [peer, neighbour] : hood.all()) {
    const auto price = offer(tree, peer, neighbour, now);
    if (!price || (best && *price >= best_price)) continue;
    best = peer;
    best_price = *price;
  }
  if (best && worth(tree, best_price, hood, now)) ask(tree, *best, now);
}

// Where we feed many, all of them gain by each step towards the source: whoever feeds our parent is met, and looked at as often as it
// says how it stands. kNobody: we are near enough.
NodeTag Substreams::grandparent(std::size_t tree) const {
  const Path& path = trees_[tree].path;
  constexpr std::size_t kFar = 3;  // nodes on our parent's path: the source, a child of it, and our parent
  return home_.contains(tree) && trees_[tree].parent && path.size() >= kFar ? path[path.size() - 2] : kNobody;
}

bool Substreams::looks_up_to(NodeTag tag, base::Time now) const {
  return std::ranges::any_of(home_.all(), [&](std::size_t tree) { return grandparent(tree) == tag; }) && introductions_.asked(tag, now);
}

void Substreams::climb(std::size_t tree, const Neighbourhood& hood, base::Time now) {
  Tree& one = trees_[tree];
  const NodeTag up = grandparent(tree);
  if (up == kNobody || one.redirected || now < one.next_climb) return;
  one.next_climb = now + kLookEach;
  const auto peer = hood.find_tag(up);
  const Neighbour* neighbour = peer ? hood.find(*peer) : nullptr;
  if (neighbour == nullptr) {
    if (!introductions_.ask(up, now)) return;
    ++counts_.introductions;
    return say(*one.parent, Introduce{up});
  }
  if (!introductions_.asked(up, now) || now - neighbour->advert_at > kAdvertLife) return;
  one.next_climb = now + kClimbEach;
  const auto price = offer(tree, *peer, *neighbour, now);
  if (price && worth(tree, *price, hood, now)) ask(tree, *peer, now);
}

std::optional<PeerKey> Substreams::introduces(PeerKey asker, NodeTag whom, const Neighbourhood& hood) const {
  for (std::size_t tree = 0; tree < kTrees; ++tree) {
    const Tree& one = trees_[tree];
    if (!one.parent || one.path.empty() || one.path.back() != whom) continue;
    const auto child = std::ranges::find(one.children, asker, &Child::peer);
    const Neighbour* parent = hood.find(*one.parent);
    if (child == one.children.end() || parent == nullptr || !parent->advert) continue;
    if (parent->advert->room >= cost(tree) || outranks(child->key, parent->advert->weakest_rank[tree])) return one.parent;
  }
  return std::nullopt;
}

void Substreams::check_parent(std::size_t tree, const Neighbourhood& hood, base::Time now) {
  Tree& one = trees_[tree];
  if (!one.parent) return;
  const Neighbour* parent = hood.find(*one.parent);
  if (parent == nullptr) {
    one.parent.reset();
    return;
  }
  const base::Duration rtt = 2 * parent->delay();
  const base::Duration silence = std::max(kParentSilence, 5 * rtt / 2);
  const bool dead = now - parent->heard > silence;
  const bool never = !one.came && one.pending > 0 && now - one.accepted > kFirstChunk + rtt + 2 * means_.spacing;
  const auto patience = base::Duration{static_cast<std::int64_t>(one.patience * static_cast<double>(kStarved.count()))};
  const bool over = one.redirected && now >= *one.redirected;
  if (dead || never || over || starving(one, std::max(patience, 4 * means_.spacing), now)) {
    if (never) experience_.gave_nothing(*one.parent);
    leave(tree, now);
  }
}

void Substreams::tick(const Neighbourhood& hood, base::Time now) {
  shed(now);
  const bool looks = now >= next_look_;
  if (looks) next_look_ = now + kLookEach;
  for (std::size_t tree = 0; tree < kTrees; ++tree) {
    if (looks) drop_children(tree, hood, now);
    Tree& one = trees_[tree];
    if (source_) continue;
    check_parent(tree, hood, now);
    if (one.asked && now - one.asked_at > answer_wait(hood.find(*one.asked))) {
      avoid(one, *one.asked, now);
      one.asked.reset();
    }
    if (now >= one.next_path) {
      one.next_path = now + kPathEach;
      tell_path(tree);
    }
    if (one.asked) continue;
    climb(tree, hood, now);
    if (one.asked) continue;
    if (!one.parent || one.redirected) {
      seek(tree, hood, now);
    } else if (now >= one.next_better) {
      one.next_better = now + kBetterEach + base::Duration{static_cast<std::int64_t>(rng_.below(200'000))};
      seek(tree, hood, now);
      if (!one.asked && std::abs(int{one.told_key} - int{key(tree)}) > kWeaker) {  // what it knows of us is out of date
        one.told_key = key(tree);
        say(*one.parent, Subscribe{static_cast<std::uint8_t>(tree), one.told_key});
      }
    }
  }
}

void Substreams::describe(PushState& state, base::Time now) const {
  state.slots = means_.slots;
  state.slots_used = used() / 2.0;
  for (std::size_t tree = 0; tree < kTrees; ++tree) {
    state.parents += trees_[tree].parent.has_value();
    state.fed += fed(tree, now);
  }
  state.place = place(now);
  state.accepted = counts_.accepted;
  state.refused = counts_.refused;
  state.redirected = counts_.redirected;
  state.introductions = counts_.introductions;
  state.parents_found = counts_.found;
  state.parents_left = counts_.left;
}

std::vector<PushOut> Substreams::take_out() { return std::exchange(out_, {}); }

}  // namespace runnel::swarm
