#include "core/swarm/uplink_probe.hpp"

#include <algorithm>
#include <utility>

namespace runnel::swarm {
namespace {

// Of a train's datagrams, how many the line sent from just after the first that came to the last that did. Those in between that were
// lost took their time on the line too. Which came is not told: of `came` drawn from `all` by chance the first and the last lie so far
// apart on the mean. Where many are missing, the line itself may have dropped them: these are not counted.
double spanned(unsigned came, unsigned all) {
  constexpr unsigned kLostMost = 4;   // one in so many
  if ((all - came) * kLostMost > all) return came - 1.0;
  return (came - 1.0) * (all + 1.0) / (came + 1.0);
}

}  // namespace

// ---- sending --------------------------------------------------------------------------------------------------------

std::optional<UplinkProbe::Departure> UplinkProbe::tick(const Neighbourhood& hood, base::Time now) {
  if (under_way_ && now - under_way_->sent >= kPatience) under_way_.reset();
  const bool enough = trains_ >= kMaxTrains || answers_.size() == kAnswers;
  if (under_way_ || now < next_ || (enough && !again_)) return std::nullopt;
  const auto alive = [&](const auto& entry) { return Neighbourhood::alive(entry.second, now); };
  // The next by number, then from the first again.
  const auto& all = hood.all();
  const auto after_last = last_to_ ? all.upper_bound(*last_to_) : all.begin();
  auto next = std::find_if(after_last, all.end(), alive);
  if (next == all.end()) next = std::find_if(all.begin(), after_last, alive);
  if (next == all.end()) return std::nullopt;
  again_ = false;
  last_to_ = next->first;
  under_way_ = UnderWay{next->first, trains_++, now};
  return Departure{next->first, {under_way_->number, kLengths[length_], value_size_}};
}

bool UplinkProbe::on_spread(PeerKey from, const Spread& spread, base::Time now) {
  if (!under_way_ || under_way_->to != from || under_way_->number != spread.train) return false;
  const base::Duration under_way = now - under_way_->sent;
  if (under_way >= kPatience) return false;
  under_way_.reset();
  const unsigned came = std::min<unsigned>(spread.datagrams, kLengths[length_]);
  // Where most were lost, or they took longer than they were on their way, it says nothing.
  if (came < kLengths[length_] / 2U || base::Duration{spread.us} > under_way) return false;
  constexpr std::uint32_t kLeast = 1'000;
  const double us = std::max(spread.us, kLeast);
  const double rate = spanned(came, kLengths[length_]) * datagram_bytes_ * 1e6 / us;
  if (answers_.empty() && base::Duration{spread.us} < kTimed && length_ + 1 < kLengths.size()) {
    ++length_;
    shorter_ = rate;
  } else {
    next_ = now + kPause;
    if (answers_.size() == kAnswers) answers_.erase(answers_.begin());
    answers_.push_back(rate);
  }
  return true;
}

std::optional<double> UplinkProbe::rate() const {
  if (answers_.empty()) return shorter_;
  auto sorted = answers_;
  std::ranges::sort(sorted);
  return sorted[(sorted.size() - 1) / 2];
}

bool UplinkProbe::at_least() const {
  const double timed = static_cast<double>(kTimed.count()) / 1e6;
  return answers_.empty() || (kLengths[length_] - 1) * datagram_bytes_ < timed * *rate();
}

// ---- timing ---------------------------------------------------------------------------------------------------------

void TrainMeter::on_train(PeerKey from, const Train& train, base::Time now) {
  auto it = under_way_.find(from);
  if (it == under_way_.end()) {
    if (under_way_.size() >= kMaxPeers) std::erase_if(under_way_, [&](const auto& entry) { return entry.second.done(now); });
    if (under_way_.size() >= kMaxPeers) return;
    it = under_way_.emplace(from, UnderWay{train, 0, now, now, {}}).first;
  }
  UnderWay& one = it->second;
  if (one.train.number != train.number) one = {train, 0, now, now, one.answered};
  if (one.came == 0) one.first = one.last = now;
  if (one.came < one.train.datagrams) ++one.came;
  one.first = std::min(one.first, now);   // stamps of datagrams that came together need not be in their order
  one.last = std::max(one.last, now);
}

std::vector<std::pair<PeerKey, Spread>> TrainMeter::tick(base::Time now) {
  std::vector<std::pair<PeerKey, Spread>> answers;
  for (auto& [peer, one] : under_way_) {
    if (one.came == 0 || (one.came < one.train.datagrams && now - one.last < kQuiet)) continue;
    if (one.answered && now - *one.answered < kInterval) continue;
    answers.emplace_back(peer, Spread{one.train.number, one.came, static_cast<std::uint32_t>((one.last - one.first).count())});
    one.came = 0;
    one.train.datagrams = 0;   // what comes of it now comes too late
    one.answered = now;
  }
  return answers;
}

}  // namespace runnel::swarm
