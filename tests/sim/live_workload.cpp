// A live stream: a record every few milliseconds, viewers who tune in and want each of them soon.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "core/swarm/content.hpp"
#include "sim/workload.hpp"

namespace runnel::sim {
namespace {

constexpr base::Duration kSettle = std::chrono::seconds{2};     // after joining; later records must be in time
constexpr base::Duration kPlayerLag = std::chrono::seconds{2};  // the player whose stalls are counted
constexpr base::Duration kFresh = std::chrono::seconds{1};      // a viewer has recovered when records come within this
constexpr base::Duration kPlaying = std::chrono::seconds{3};    // whoever has nothing newer at the end does not play

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
  bool finished(const Viewers&) const override { return false; }
  std::uint64_t stream_bytes() const override { return truth_.bytes(); }
  void measure(Report& report, const Viewers& viewers, base::Time end) const override;

 private:
  // What one viewer has seen, by position in truth_.munros().
  struct Seen {
    std::vector<base::Time> complete;               // Time{}: not
    std::optional<base::Time> first_munro;
    std::optional<base::Time> playable;             // an independent record is whole
    std::optional<std::size_t> playable_record;     // the oldest that this may be
  };
  struct Play {
    std::array<std::uint64_t, 4> in_time{};         // of kLags
    std::uint64_t munros = 0;
    std::uint64_t never = 0;
    std::uint64_t stalls = 0;
    base::Duration stalled{};
  };
  static constexpr std::array kLags{base::Duration{500'000}, base::Duration{1'000'000}, base::Duration{2'000'000},
                                    base::Duration{5'000'000}};

  void publish();
  void on_munro(Viewer& viewer, Seen& seen, tree::ChunkRange range);
  [[nodiscard]] bool whole(const Seen& seen, std::size_t record) const;
  [[nodiscard]] Play play(const Viewer& viewer, const Seen& seen, base::Time end) const;
  [[nodiscard]] bool plays_at(const Seen& seen, base::Time when) const;
  [[nodiscard]] base::Duration recovery(const Seen& seen, base::Time from, base::Time end) const;
  void measure_recovery(Report& report, const Viewers& viewers, base::Time end) const;
  [[nodiscard]] const Seen& seen(const Viewer& viewer) const { return seen_.at(&viewer); }

  LiveContentModel model_;
  Simulation& simulation_;
  base::Rng rng_;
  LiveTruth truth_;
  Node* source_ = nullptr;
  std::optional<swarm::LiveIndexer> indexer_;
  base::Duration since_keyframe_{};
  std::unordered_map<const Viewer*, Seen> seen_;   // looked up, never walked
  DelayHistogram chunk_delays_;
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
}

// ---- viewers --------------------------------------------------------------------------------------------------------

void LiveWorkload::joined(Viewer& viewer) {
  Seen& seen = seen_[&viewer];
  viewer.node->on_event = [this, &viewer, &seen](const swarm::Event& event) {
    if (const auto* munro = std::get_if<swarm::MunroComplete>(&event)) on_munro(viewer, seen, munro->range);
  };
  viewer.node->on_stored = [this, &viewer](tree::ChunkRange range) {
    for (std::uint64_t i = range.first.value(); i <= range.last.value(); ++i) {
      const auto at = truth_.munro_at(tree::ChunkIndex{i});
      if (!at || !viewer.honest()) continue;
      const base::Time published = truth_.munros()[*at].published;
      if (published >= std::max(viewer.joined, base::Time{model_.measure_from})) chunk_delays_.add(simulation_.now() - published);
    }
  };
}

void LiveWorkload::on_munro(Viewer& viewer, Seen& seen, tree::ChunkRange range) {
  const auto position = truth_.munro_at(range.first);
  if (!position) return;   // the audit has said so
  if (seen.complete.size() <= *position) seen.complete.resize(*position + 1);
  seen.complete[*position] = simulation_.now();
  if (!seen.first_munro) {
    // A player reads in the record's header where the newest independent record starts, and wants everything from there.
    seen.first_munro = simulation_.now();
    const tree::ChunkIndex start = truth_.records()[truth_.munros()[*position].record].independent;
    seen.playable_record = truth_.munros()[*truth_.munro_at(start)].record;
    viewer.node->input(swarm::FollowFrom{kSwarm, start});
  }
  if (seen.playable) return;
  // It begins with whatever independent record is whole first, and what is older no longer matters.
  const std::size_t number = truth_.munros()[*position].record;
  const LiveTruth::Record& record = truth_.records()[number];
  if (number < *seen.playable_record || record.independent != record.first || !whole(seen, number)) return;
  seen.playable = simulation_.now();
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

LiveWorkload::Play LiveWorkload::play(const Viewer& viewer, const Seen& seen, base::Time end) const {
  Play result;
  const base::Time until = viewer.left.value_or(end);
  bool late_before = false;
  const auto& munros = truth_.munros();
  for (std::size_t i = 0; i < munros.size(); ++i) {
    const base::Time published = munros[i].published;
    if (published < std::max(viewer.joined + kSettle, base::Time{model_.measure_from})) continue;
    if (published + kLags.back() > until) break;
    ++result.munros;
    const bool complete = i < seen.complete.size() && seen.complete[i] != base::Time{};
    if (!complete) ++result.never;
    // What was published before it joined can not have come sooner than it did.
    const base::Duration delay = complete ? seen.complete[i] - std::max(published, viewer.joined) : base::Duration::max();
    for (std::size_t lag = 0; lag < kLags.size(); ++lag) result.in_time[lag] += delay <= kLags[lag];
    const bool late = delay > kPlayerLag;
    if (late && !late_before) ++result.stalls;
    if (late && i + 1 < munros.size()) result.stalled += munros[i + 1].published - published;
    late_before = late;
  }
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

base::Duration LiveWorkload::recovery(const Seen& seen, base::Time from, base::Time end) const {
  const auto& munros = truth_.munros();
  for (std::size_t i = 0; i < std::min(munros.size(), seen.complete.size()); ++i) {
    if (munros[i].published < from || seen.complete[i] == base::Time{}) continue;
    if (seen.complete[i] - munros[i].published <= kFresh) return seen.complete[i] - from;
  }
  return end - from;
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
  Samples tune_in;
  Samples playable;
  Samples playable_later;   // of those who joined when everything was settled
  DelayHistogram delays;
  Play all;
  double worst = 1;
  std::size_t dead = 0;
  for (const auto& viewer : viewers) {
    if (!viewer->honest()) continue;
    const Seen& seen = this->seen(*viewer);
    if (seen.first_munro) tune_in.add(seconds(*seen.first_munro - viewer->joined));
    if (seen.playable) playable.add(seconds(*seen.playable - viewer->joined));
    // Who left before it played waited all that time, but who left at once tells nothing.
    const base::Time until = seen.playable.value_or(viewer->left.value_or(end));
    if (viewer->joined >= base::Time{model_.measure_from} && (seen.playable || until - viewer->joined > kSettle))
      playable_later.add(seconds(until - viewer->joined));
    if (!viewer->left && viewer->joined + 2 * kPlaying < end && !plays_at(seen, end)) ++dead;
    const Play one = play(*viewer, seen, end);
    all.munros += one.munros;
    all.never += one.never;
    all.stalls += one.stalls;
    all.stalled += one.stalled;
    for (std::size_t lag = 0; lag < kLags.size(); ++lag) all.in_time[lag] += one.in_time[lag];
    if (one.munros > 0) worst = std::min(worst, static_cast<double>(one.in_time[2]) / static_cast<double>(one.munros));
    for (std::size_t i = 0; i < std::min(seen.complete.size(), truth_.munros().size()); ++i) {
      const base::Time published = truth_.munros()[i].published;
      if (seen.complete[i] != base::Time{} && published >= std::max(viewer->joined + kSettle, base::Time{model_.measure_from}))
        delays.add(seen.complete[i] - published);
    }
  }
  const auto share = [&](std::uint64_t part) { return all.munros == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all.munros); };
  report.add("not_playing_at_end", static_cast<double>(dead));
  report.add("in_time_500ms", share(all.in_time[0]));
  report.add("in_time_1s", share(all.in_time[1]));
  report.add("in_time_2s", share(all.in_time[2]));
  report.add("in_time_5s", share(all.in_time[3]));
  report.add("worst_viewer_in_time_2s", worst);
  report.add("never", static_cast<double>(all.never));
  report.add("stalls", static_cast<double>(all.stalls));
  report.add("stalled_s", seconds(all.stalled));
  report.add("munro_delay_p50_s", delays.quantile_s(0.5));
  report.add("munro_delay_p95_s", delays.quantile_s(0.95));
  report.add("munro_delay_p99_s", delays.quantile_s(0.99));
  report.add("munro_delay_max_s", delays.quantile_s(1));
  report.add("chunk_delay_p50_s", chunk_delays_.quantile_s(0.5));
  report.add("chunk_delay_p95_s", chunk_delays_.quantile_s(0.95));
  report.add("chunk_delay_p99_s", chunk_delays_.quantile_s(0.99));
  report.add("tune_in_p50_s", tune_in.quantile(0.5));
  report.add("tune_in_p95_s", tune_in.quantile(0.95));
  report.add("tune_in_max_s", tune_in.max());
  report.add("playable_p50_s", playable.quantile(0.5));
  report.add("playable_p95_s", playable.quantile(0.95));
  report.add("later_joins", static_cast<double>(playable_later.size()));
  report.add("later_playable_p50_s", playable_later.quantile(0.5));
  report.add("later_playable_p95_s", playable_later.quantile(0.95));
  measure_recovery(report, viewers, end);
}

}  // namespace

std::unique_ptr<Workload> make_live_workload(const LiveContentModel& model, const CryptoKit& crypto, Simulation& simulation) {
  return std::make_unique<LiveWorkload>(model, crypto, simulation);
}

}  // namespace runnel::sim
