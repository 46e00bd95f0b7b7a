#include "sim/report.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <ostream>
#include <sstream>

#include <boost/json.hpp>

namespace runnel::sim {
namespace {

std::string hex(std::uint64_t value) {
  std::ostringstream text;
  text << std::hex << std::setw(16) << std::setfill('0') << value;
  return text.str();
}

std::string brief(double value) {
  std::ostringstream text;
  if (std::abs(value) >= 1000 || value == std::round(value))
    text << std::fixed << std::setprecision(0) << value;
  else
    text << std::fixed << std::setprecision(std::abs(value) < 0.1 ? 5 : 3) << value;
  return text.str();
}

// The goal for a measure, where the scenario has one.
std::string verdict(const Report& report, const std::string& name, double value) {
  const auto goal = report.goals.find(name);
  if (goal == report.goals.end()) return {};
  return "   goal " + in_words(goal->second) + (holds(goal->second, value) ? "" : ": missed");
}

constexpr int kNameWidth = 30;
constexpr int kValueWidth = 14;

}  // namespace

double Report::measure(const std::string& name) const {
  const auto found = std::ranges::find(measures, name, &std::pair<std::string, double>::first);
  return found == measures.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
}

double Samples::quantile(double q) const {
  if (values_.empty()) return 0;
  if (!sorted_) std::ranges::sort(values_);
  sorted_ = true;
  return values_[static_cast<std::size_t>(q * static_cast<double>(values_.size() - 1) + 0.5)];
}

double Samples::mean() const {
  return values_.empty() ? 0 : std::accumulate(values_.begin(), values_.end(), 0.0) / static_cast<double>(values_.size());
}

double DelayHistogram::quantile_s(double q) const {
  const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(size()));
  std::uint64_t seen = 0;
  for (std::size_t ms = 0; ms < buckets_.size(); ++ms) {
    seen += buckets_[ms];
    if (seen > 0 && seen >= wanted) return static_cast<double>(ms) / 1000;
  }
  return 0;
}

double DelayHistogram::share_within(base::Duration limit) const {
  const auto until = buckets_.begin() + std::clamp<std::int64_t>(limit.count() / 1000, 0, kBuckets);
  const std::uint64_t all = size();
  return all == 0 ? 0 : static_cast<double>(std::accumulate(buckets_.begin(), until, std::uint64_t{0})) / static_cast<double>(all);
}

std::string in_words(const Expectation& bounds) {
  std::ostringstream text;
  if (bounds.min) text << ">= " << *bounds.min;
  if (bounds.min && bounds.max) text << " ";
  if (bounds.max) text << "<= " << *bounds.max;
  return text.str();
}

bool holds(const Expectation& bounds, double value) {
  return !std::isnan(value) && value >= bounds.min.value_or(value) && value <= bounds.max.value_or(value);
}

void judge(Report& report, const Scenario& scenario, const Audit& audit) {
  for (const Violation& violation : audit.violations()) {
    std::ostringstream text;
    text << violation.invariant << " at " << static_cast<double>(violation.at.time_since_epoch().count()) / 1e6 << " s, host "
         << violation.host.value() << ": " << violation.what;
    report.broken.push_back(text.str());
  }
  if (audit.violation_count() > audit.violations().size())
    report.broken.push_back(std::to_string(audit.violation_count()) + " violations in all");
  for (const auto& [name, expected] : scenario.expectations) {
    const double value = report.measure(name);
    if (holds(expected, value)) continue;
    std::ostringstream text;
    text << "expected " << name << " " << in_words(expected) << ", got " << value;
    report.broken.push_back(text.str());
  }
}

void print_table(std::ostream& out, const std::vector<Report>& reports) {
  if (reports.empty()) return;
  const Report& first = reports.front();
  out << first.scenario << ", " << first.peers << " peers, ";
  if (reports.size() == 1) {
    out << "seed " << first.seed << ", trace " << hex(first.trace_hash) << ", " << brief(first.wall_seconds) << " s\n";
    for (const auto& [name, value] : first.measures)
      out << "  " << std::left << std::setw(kNameWidth) << name << brief(value) << verdict(first, name, value) << "\n";
  } else {
    double seconds = 0;
    for (const Report& report : reports) seconds += report.wall_seconds;
    out << reports.size() << " seeds, " << brief(seconds) << " s\n  " << std::left << std::setw(kNameWidth) << "measure" << std::right;
    for (const char* column : {"least", "median", "greatest", "of seed"}) out << std::setw(kValueWidth) << column;
    out << "\n";
    for (const auto& [name, unused] : first.measures) {
      std::vector<std::pair<double, std::uint64_t>> values;
      for (const Report& report : reports) values.emplace_back(report.measure(name), report.seed);
      std::ranges::sort(values);
      const double median = values[values.size() / 2].first;
      out << "  " << std::left << std::setw(kNameWidth) << name << std::right;
      for (const double value : {values.front().first, median, values.back().first}) out << std::setw(kValueWidth) << brief(value);
      out << std::setw(kValueWidth) << values.back().second << verdict(first, name, median) << "\n";
    }
  }
  for (const Report& report : reports) {
    for (const std::string& what : report.broken) out << "  BROKEN seed " << report.seed << ": " << what << "\n";
  }
}

void print_json(std::ostream& out, const std::vector<Report>& reports) {
  for (const Report& report : reports) {
    boost::json::object measures;
    for (const auto& [name, value] : report.measures) measures[name] = value;
    boost::json::object goals;
    for (const auto& [name, bounds] : report.goals) goals[name] = in_words(bounds);
    boost::json::array broken;
    for (const std::string& what : report.broken) broken.emplace_back(what);
    const boost::json::object line{
        {"scenario", report.scenario}, {"peers", report.peers}, {"seed", report.seed}, {"trace", hex(report.trace_hash)},
        {"measures", measures},        {"goals", goals},        {"broken", broken},    {"wall_s", report.wall_seconds}};
    out << boost::json::serialize(line) << "\n";
  }
}

}  // namespace runnel::sim
