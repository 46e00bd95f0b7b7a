// What a run came to: measures by name, units last in the name, and what broke.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "sim/audit.hpp"
#include "sim/scenario.hpp"

namespace runnel::sim {

struct Report {
  std::string scenario;
  std::uint32_t peers = 0;
  std::uint64_t seed = 0;
  std::uint64_t trace_hash = 0;
  std::vector<std::pair<std::string, double>> measures;   // in the order of the table
  std::map<std::string, Expectation> goals;
  std::vector<std::string> broken;                        // invariants and expectations, in words
  double wall_seconds = 0;                                // what the run took; not part of what repeats

  void add(std::string name, double value) { measures.emplace_back(std::move(name), value); }
  [[nodiscard]] double measure(const std::string& name) const;   // NaN if there is none
};

// Samples, for quantiles. 0 when there are none.
class Samples {
 public:
  void add(double value) {
    values_.push_back(value);
    sorted_ = false;
  }
  [[nodiscard]] double quantile(double q) const;
  [[nodiscard]] double max() const { return quantile(1); }
  [[nodiscard]] double mean() const;
  [[nodiscard]] std::size_t size() const { return values_.size(); }

 private:
  mutable std::vector<double> values_;
  mutable bool sorted_ = true;
};

// Times by the millisecond, as many as there are; those of a minute and more count as a minute.
class DelayHistogram {
 public:
  void add(base::Duration delay, std::uint64_t times = 1) {
    buckets_[static_cast<std::size_t>(std::clamp<std::int64_t>(delay.count() / 1000, 0, kBuckets - 1))] += times;
  }
  [[nodiscard]] std::uint64_t size() const { return std::accumulate(buckets_.begin(), buckets_.end(), std::uint64_t{0}); }
  [[nodiscard]] double quantile_s(double q) const;
  // Shorter than `limit`; 0 when there are none.
  [[nodiscard]] double share_within(base::Duration limit) const;

 private:
  static constexpr std::int64_t kBuckets = 60'000;
  std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>(kBuckets);
};

// Adds what the scenario asked for and did not get.
void judge(Report& report, const Scenario& scenario, const Audit& audit);

// "<= 0.5", ">= 0.9", or both.
std::string in_words(const Expectation& bounds);
[[nodiscard]] bool holds(const Expectation& bounds, double value);

// One run: its measures. Several: least, median, greatest of each, with the seed of the worst.
void print_table(std::ostream& out, const std::vector<Report>& reports);
void print_json(std::ostream& out, const std::vector<Report>& reports);

}  // namespace runnel::sim
