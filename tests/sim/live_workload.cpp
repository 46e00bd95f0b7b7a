// A live stream: a record every few milliseconds, viewers who tune in and want each of them soon.
#include <algorithm>
#include <deque>
#include <string>
#include <unordered_map>

#include "core/swarm/content.hpp"
#include "sim/workload.hpp"

namespace runnel::sim {
namespace {

constexpr base::Duration kSettle = std::chrono::seconds{2};     // after joining; later records must be in time
constexpr base::Duration kPlayerLag = std::chrono::seconds{2};  // the player whose stalls are counted
constexpr base::Duration kFresh = std::chrono::seconds{1};      // a viewer has recovered when records come within this
constexpr base::Duration kPlaying = std::chrono::seconds{3};    // whoever has nothing newer at the end does not play
constexpr base::Duration kMatters = std::chrono::seconds{5};    // a munro that takes longer never came
constexpr base::Duration kAftermath = std::chrono::seconds{5};  // of an event

double seconds(base::Duration d) { return static_cast<double>(d.count()) / 1e6; }

class LiveWorkload final : public Workload {
 public:
  LiveWorkload(const LiveContentModel& model, const CryptoKit& crypto, Simulation& simulation)
      : model_(model),
        simulation_(simulation),
        rng_(simulation.fork_rng()),
        truth_(crypto, model.chunk_size, static_cast<std::uint64_t>(seconds(model.window) * swarm::kLiveIndicesPerSecond)) {}

  Truth& truth() override { return truth_; }
  void source_is(Node& source) override;
  void joined(Viewer& viewer) override;
  void mended(base::Time at) override { mended_.push_back(at); }
  void look(base::Time now) override;
  bool finished(const Viewers&) const override { return false; }
  std::uint64_t stream_bytes() const override { return truth_.bytes(); }
  void measure(Report& report, const Viewers& viewers, base::Time end) const override;

 private:
  struct Arrival {
    std::size_t munro = 0;
    base::Duration delay{};
  };
  // What one viewer has seen, by position in truth_.munros().
  struct Seen {
    std::vector<base::Time> complete;               // Time{}: not
    std::optional<base::Time> first_munro;
    std::optional<tree::ChunkIndex> beginning;      // of the newest independent record that it knows of
    std::optional<base::Time> playable;             // an independent record is whole
    std::optional<std::size_t> playable_record;     // the oldest that this may be
    std::vector<std::uint8_t> chunks;               // of each munro, so many came
    std::deque<Arrival> lately;                     // not counted: it is not known yet whether the viewer stays
  };
  // So late, or never, by those whom it concerns.
  struct Lags {
    DelayHistogram all;
    DelayHistogram early;       // who was there before it counted
    DelayHistogram aftermath;   // of what was published soon after an event
    DelayHistogram givers;
  };
  // Of what came to viewers who were there for it, by chunks.
  struct Arrivals {
    DelayHistogram delays;
    DelayHistogram giver_delays;   // of those who would give, where others do not
    Lags lags;
  };
  struct Play {
    std::uint64_t munros = 0;
    std::uint64_t in_time = 0;                      // for the player
    std::uint64_t never = 0;
    std::uint64_t stalls = 0;
    base::Duration stalled{};
  };

  void publish();
  void on_munro(Viewer& viewer, Seen& seen, tree::ChunkRange range);
  [[nodiscard]] bool whole(const Seen& seen, std::size_t record) const;
  // fn(its place, how long after publication it came, max() if it did not), for each munro that the viewer was there for.
  template <class Fn>
  void each_munro(const Viewer& viewer, base::Time end, Fn fn) const;
  [[nodiscard]] Play play(const Viewer& viewer, base::Time end) const;
  [[nodiscard]] bool plays_at(const Seen& seen, base::Time when) const;
  [[nodiscard]] base::Duration stalest(const Viewer& viewer, base::Time end) const;
  [[nodiscard]] base::Duration recovery(const Seen& seen, base::Time from, base::Time end) const;
  [[nodiscard]] base::Time counts_from(const Viewer& viewer) const;
  // So many of this munro; a delay of max(): they did not come.
  void count(Lags& lags, const Viewer& viewer, std::size_t munro, base::Duration delay, std::uint64_t times) const;
  void count_arrival(Arrivals& arrivals, const Viewer& viewer, const Arrival& arrival, base::Time until) const;
  void report_lags(Report& report, const std::string& unit, const Lags& lags) const;
  void measure_lags(Report& report, Lags chunks, const Viewers& viewers, base::Time end) const;
  void measure_recovery(Report& report, const Viewers& viewers, base::Time end) const;
  [[nodiscard]] const Seen& seen(const Viewer& viewer) const { return seen_.at(&viewer); }

  LiveContentModel model_;
  Simulation& simulation_;
  base::Rng rng_;
  LiveTruth truth_;
  Node* source_ = nullptr;
  std::optional<swarm::LiveIndexer> indexer_;
  base::Duration since_keyframe_{};
  std::unordered_map<const Viewer*, Seen> seen_;   // what comes of walking it must not hang on its order
  Arrivals arrivals_;                              // as far as they are counted
  std::vector<base::Time> mended_;
  bool publishing_ = false;
};

// ---- the source -----------------------------------------------------------------------------------------------------

void LiveWorkload::source_is(Node& source) {
  // A restarted caster begins a new indexer with what its key file remembers.
  const auto last_used = indexer_ ? indexer_->last_used() : std::nullopt;
  indexer_.emplace(truth_.metadata().munro_width, model_.chunk_size, last_used);
  source_ = &source;
  since_keyframe_ = model_.keyframe_interval;
  if (!std::exchange(publishing_, true)) publish();
}

void LiveWorkload::publish() {
  simulation_.after(model_.record, [this] { publish(); });
  if (!source_->alive()) return;
  const bool independent = since_keyframe_ >= model_.keyframe_interval;
  since_keyframe_ = independent ? model_.record : since_keyframe_ + model_.record;
  const double per_second = seconds(std::chrono::seconds{1}) / seconds(model_.record);
  const double group = std::max(1.0, seconds(model_.keyframe_interval) * per_second);
  const double mean = static_cast<double>(model_.bits_per_second) / 8 / per_second;
  const double plain = mean * group / (group - 1 + model_.keyframe_factor);
  const double size = plain * (independent ? model_.keyframe_factor : 1) * (0.8 + 0.4 * rng_.unit());
  const auto bytes = static_cast<std::size_t>(std::max(1.0, size));
  const base::WallTime wall = source_->wall();
  const tree::ChunkIndex first = indexer_->start_at(wall);
  indexer_->advance(first, bytes);
  const LiveTruth::Record& record = truth_.publish(first, bytes, independent, simulation_.now(), rng_);
  source_->input(swarm::WallClock{wall});
  source_->input(swarm::Publish{kSwarm, first, record.bytes, wall});
  if (independent) source_->input(swarm::NewBeginning{kSwarm, first});
}

// ---- viewers --------------------------------------------------------------------------------------------------------

void LiveWorkload::joined(Viewer& viewer) {
  Seen& seen = seen_[&viewer];
  viewer.node->on_event = [this, &viewer, &seen](const swarm::Event& event) {
    if (const auto* munro = std::get_if<swarm::MunroComplete>(&event)) on_munro(viewer, seen, munro->range);
  };
  viewer.node->on_stored = [this, &viewer, &seen](tree::ChunkRange range) {
    for (std::uint64_t i = range.first.value(); i <= range.last.value(); ++i) {
      const auto at = truth_.munro_at(tree::ChunkIndex{i});
      if (!at || !viewer.honest()) continue;
      if (seen.chunks.size() <= *at) seen.chunks.resize(*at + 1);
      ++seen.chunks[*at];
      seen.lately.push_back({*at, viewer.node->place().now() - truth_.munros()[*at].published});
    }
  };
}

void LiveWorkload::look(base::Time now) {
  const base::Time known = now - kMatters;
  for (auto& [viewer, seen] : seen_) {   // in any order: they are summed
    for (; !seen.lately.empty() && truth_.munros()[seen.lately.front().munro].published <= known; seen.lately.pop_front())
      count_arrival(arrivals_, *viewer, seen.lately.front(), viewer->left.value_or(now) - kMatters);
  }
}

void LiveWorkload::on_munro(Viewer& viewer, Seen& seen, tree::ChunkRange range) {
  const auto position = truth_.munro_at(range.first);
  if (!position) return;   // the audit has said so
  if (seen.complete.size() <= *position) seen.complete.resize(*position + 1);
  const base::Time now = viewer.node->place().now();
  seen.complete[*position] = now;
  // The record's header tells where the newest independent record starts.
  const tree::ChunkIndex start = truth_.records()[truth_.munros()[*position].record].independent;
  if (!seen.beginning || *seen.beginning < start) viewer.node->input(swarm::NewBeginning{kSwarm, *(seen.beginning = start)});
  if (!seen.first_munro) {
    // A player wants everything from there.
    seen.first_munro = now;
    seen.playable_record = truth_.munros()[*truth_.munro_at(start)].record;
    viewer.node->input(swarm::FollowFrom{kSwarm, start});
  }
  if (seen.playable) return;
  // It begins with whatever independent record is whole first, and what is older no longer matters.
  const std::size_t number = truth_.munros()[*position].record;
  const LiveTruth::Record& record = truth_.records()[number];
  if (number < *seen.playable_record || record.independent != record.first || !whole(seen, number)) return;
  seen.playable = now;
  if (number != *seen.playable_record) viewer.node->input(swarm::FollowFrom{kSwarm, record.first});
}

// The munros of a record are neighbours.
bool LiveWorkload::whole(const Seen& seen, std::size_t record) const {
  const auto& munros = truth_.munros();
  for (std::size_t at = *truth_.munro_at(truth_.records()[record].first); at < munros.size() && munros[at].record == record; ++at) {
    if (at >= seen.complete.size() || seen.complete[at] == base::Time{}) return false;
  }
  return true;
}

// ---- measures -------------------------------------------------------------------------------------------------------

base::Time LiveWorkload::counts_from(const Viewer& viewer) const {
  return std::max(viewer.joined + kSettle, base::Time{model_.measure_from});
}

template <class Fn>
void LiveWorkload::each_munro(const Viewer& viewer, base::Time end, Fn fn) const {
  const Seen& seen = this->seen(viewer);
  const auto& munros = truth_.munros();
  const base::Time until = viewer.left.value_or(end) - kMatters;
  auto at =
      static_cast<std::size_t>(std::ranges::lower_bound(munros, counts_from(viewer), {}, &LiveTruth::Munro::published) - munros.begin());
  for (; at < munros.size() && munros[at].published <= until; ++at) {
    const bool complete = at < seen.complete.size() && seen.complete[at] != base::Time{};
    fn(at, complete ? seen.complete[at] - munros[at].published : base::Duration::max());
  }
}

LiveWorkload::Play LiveWorkload::play(const Viewer& viewer, base::Time end) const {
  Play result;
  bool late_before = false;
  const auto& munros = truth_.munros();
  each_munro(viewer, end, [&](std::size_t at, base::Duration delay) {
    ++result.munros;
    if (delay == base::Duration::max()) ++result.never;
    const bool late = delay > kPlayerLag;
    if (!late) ++result.in_time;
    if (late && !late_before) ++result.stalls;
    if (late && at + 1 < munros.size()) result.stalled += munros[at + 1].published - munros[at].published;
    late_before = late;
  });
  return result;
}

bool LiveWorkload::plays_at(const Seen& seen, base::Time when) const {
  const auto& munros = truth_.munros();
  for (std::size_t i = std::min(munros.size(), seen.complete.size()); i-- > 0;) {
    if (munros[i].published + kPlaying < when) return false;
    if (seen.complete[i] != base::Time{}) return true;
  }
  return false;
}

// How old the newest that a viewer had ever was, once it had anything, and some time after the last event.
base::Duration LiveWorkload::stalest(const Viewer& viewer, base::Time end) const {
  const Seen& seen = this->seen(viewer);
  std::vector<std::pair<base::Time, base::Time>> came;   // and was published
  for (std::size_t at = 0; at < std::min(seen.complete.size(), truth_.munros().size()); ++at) {
    if (seen.complete[at] != base::Time{}) came.emplace_back(seen.complete[at], truth_.munros()[at].published);
  }
  std::ranges::sort(came);
  came.emplace_back(viewer.left.value_or(end), base::Time{});
  const base::Time from = mended_.empty() ? base::Time{} : mended_.back() + kPlaying;
  base::Duration worst{};
  base::Time newest = came.front().second;
  for (const auto& [at, published] : came) {
    if (newest != base::Time{} && at > from) worst = std::max(worst, at - newest);
    newest = std::max(newest, published);
  }
  return worst;
}

base::Duration LiveWorkload::recovery(const Seen& seen, base::Time from, base::Time end) const {
  const auto& munros = truth_.munros();
  for (std::size_t i = 0; i < std::min(munros.size(), seen.complete.size()); ++i) {
    if (munros[i].published < from || seen.complete[i] == base::Time{}) continue;
    if (seen.complete[i] - munros[i].published <= kFresh) return seen.complete[i] - from;
  }
  return end - from;
}

void LiveWorkload::count(Lags& lags, const Viewer& viewer, std::size_t munro, base::Duration delay, std::uint64_t times) const {
  const base::Time published = truth_.munros()[munro].published;
  const auto after = [&](base::Time event) { return published >= event && published < event + kAftermath; };
  lags.all.add(delay, times);
  if (viewer.joined < base::Time{model_.measure_from}) lags.early.add(delay, times);
  if (viewer.node->gives()) lags.givers.add(delay, times);
  if (std::ranges::any_of(mended_, after)) lags.aftermath.add(delay, times);
}

void LiveWorkload::count_arrival(Arrivals& arrivals, const Viewer& viewer, const Arrival& arrival, base::Time until) const {
  const base::Time published = truth_.munros()[arrival.munro].published;
  if (published >= std::max(viewer.joined, base::Time{model_.measure_from})) {
    arrivals.delays.add(arrival.delay);
    if (viewer.node->gives()) arrivals.giver_delays.add(arrival.delay);
  }
  if (published >= counts_from(viewer) && published <= until) count(arrivals.lags, viewer, arrival.munro, arrival.delay, 1);
}

// Shares of chunks, and of whole munros, those that never came among them.
void LiveWorkload::measure_lags(Report& report, Lags chunks, const Viewers& viewers, base::Time end) const {
  Lags munros;
  for (const auto& viewer : viewers) {
    if (!viewer->honest()) continue;
    each_munro(*viewer, end, [&](std::size_t at, base::Duration delay) {
      count(munros, *viewer, at, delay, 1);
      const auto& came = seen(*viewer).chunks;
      count(chunks, *viewer, at, base::Duration::max(), truth_.munros()[at].chunks - (at < came.size() ? came[at] : 0));
    });
  }
  report_lags(report, "chunk_", chunks);
  report_lags(report, "", munros);
}

void LiveWorkload::report_lags(Report& report, const std::string& unit, const Lags& lags) const {
  const auto within = [&](const std::string& name, const DelayHistogram& delays, int ms) {
    const std::string limit = ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
    report.add(unit + name + "in_time_" + limit, delays.share_within(std::chrono::milliseconds{ms}));
  };
  for (const int ms : {500, 800, 1000, 1500, 2000, 5000}) within("", lags.all, ms);
  report.add(unit + "lag_9999_s", lags.all.quantile_s(0.9999));
  for (const int ms : {1000, 2000}) {
    if (lags.early.size() > 0) within("early_", lags.early, ms);
  }
  if (lags.aftermath.size() > 0) within("aftermath_", lags.aftermath, 1000);
  if (lags.givers.size() != lags.all.size()) within("givers_", lags.givers, 1000);
}

void LiveWorkload::measure_recovery(Report& report, const Viewers& viewers, base::Time end) const {
  if (mended_.empty()) return;
  Samples times;
  for (const base::Time from : mended_) {
    for (const auto& viewer : viewers) {
      if (viewer->honest() && viewer->joined < from && !viewer->left) times.add(seconds(recovery(seen(*viewer), from, end)));
    }
  }
  report.add("recovery_p50_s", times.quantile(0.5));
  report.add("recovery_max_s", times.max());
}

void LiveWorkload::measure(Report& report, const Viewers& viewers, base::Time end) const {
  Arrivals arrivals = arrivals_;
  for (const auto& [viewer, seen] : seen_) {
    for (const Arrival& arrival : seen.lately) count_arrival(arrivals, *viewer, arrival, viewer->left.value_or(end) - kMatters);
  }
  Samples tune_in;
  Samples playable;
  Samples tune_in_later;    // of those who joined when everything was settled
  Samples playable_later;
  DelayHistogram delays;
  Play all;
  double worst = 1;
  std::size_t dead = 0;
  std::size_t untold = 0;   // of them, who are not told that they wait
  Samples stale;
  for (const auto& viewer : viewers) {
    if (!viewer->honest()) continue;
    const Seen& seen = this->seen(*viewer);
    if (seen.first_munro) tune_in.add(seconds(*seen.first_munro - viewer->joined));
    if (seen.first_munro && viewer->joined >= base::Time{model_.measure_from})
      tune_in_later.add(seconds(*seen.first_munro - viewer->joined));
    if (seen.playable) playable.add(seconds(*seen.playable - viewer->joined));
    // Who left before it played waited all that time, but who left at once tells nothing.
    const base::Time until = seen.playable.value_or(viewer->left.value_or(end));
    if (viewer->joined >= base::Time{model_.measure_from} && (seen.playable || until - viewer->joined > kSettle))
      playable_later.add(seconds(until - viewer->joined));
    if (!viewer->left && viewer->joined + 2 * kPlaying < end && !plays_at(seen, end)) {
      ++dead;
      const auto state = viewer->node->state();
      untold += !state.push || !state.push->place;
    }
    stale.add(seconds(stalest(*viewer, end)));
    const Play one = play(*viewer, end);
    all.munros += one.munros;
    all.never += one.never;
    all.stalls += one.stalls;
    all.stalled += one.stalled;
    if (one.munros > 0) worst = std::min(worst, static_cast<double>(one.in_time) / static_cast<double>(one.munros));
    for (std::size_t i = 0; i < std::min(seen.complete.size(), truth_.munros().size()); ++i) {
      const base::Time published = truth_.munros()[i].published;
      if (seen.complete[i] != base::Time{} && published >= std::max(viewer->joined + kSettle, base::Time{model_.measure_from}))
        delays.add(seen.complete[i] - published);
    }
  }
  report.add("not_playing_at_end", static_cast<double>(dead));
  report.add("untold_at_end", static_cast<double>(untold));
  measure_lags(report, arrivals.lags, viewers, end);
  if (arrivals.giver_delays.size() != arrivals.delays.size())
    report.add("givers_chunk_delay_p99_s", arrivals.giver_delays.quantile_s(0.99));
  report.add("worst_viewer_in_time_2s", worst);
  report.add("stalest_p90_s", stale.quantile(0.9));
  report.add("stalest_max_s", stale.max());
  report.add("never", static_cast<double>(all.never));
  report.add("stalls", static_cast<double>(all.stalls));
  report.add("stalled_s", seconds(all.stalled));
  report.add("munro_delay_p50_s", delays.quantile_s(0.5));
  report.add("munro_delay_p95_s", delays.quantile_s(0.95));
  report.add("munro_delay_p99_s", delays.quantile_s(0.99));
  report.add("munro_delay_max_s", delays.quantile_s(1));
  report.add("chunk_delay_p50_s", arrivals.delays.quantile_s(0.5));
  report.add("chunk_delay_p95_s", arrivals.delays.quantile_s(0.95));
  report.add("chunk_delay_p99_s", arrivals.delays.quantile_s(0.99));
  report.add("tune_in_p50_s", tune_in.quantile(0.5));
  report.add("tune_in_p95_s", tune_in.quantile(0.95));
  report.add("tune_in_max_s", tune_in.max());
  report.add("playable_p50_s", playable.quantile(0.5));
  report.add("playable_p95_s", playable.quantile(0.95));
  report.add("later_joins", static_cast<double>(playable_later.size()));
  report.add("later_tune_in_p50_s", tune_in_later.quantile(0.5));
  report.add("later_tune_in_p95_s", tune_in_later.quantile(0.95));
  report.add("later_playable_p50_s", playable_later.quantile(0.5));
  report.add("later_playable_p95_s", playable_later.quantile(0.95));
  measure_recovery(report, viewers, end);
}

}  // namespace

std::unique_ptr<Workload> make_live_workload(const LiveContentModel& model, const CryptoKit& crypto, Simulation& simulation) {
  return std::make_unique<LiveWorkload>(model, crypto, simulation);
}

}  // namespace runnel::sim
