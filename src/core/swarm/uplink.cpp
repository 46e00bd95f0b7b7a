#include "core/swarm/uplink.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace runnel::swarm {
namespace {

constexpr double kLeast = 8'000;   // bytes per second: no line that streams come by is slower

}  // namespace

void Uplink::begin(double bytes_per_second, double least, base::Time now) {
  least_ = least;
  if (begun()) {
    rate_ = std::max(rate_, least_);
    return;
  }
  rate_ = bytes_per_second;
  window_started_ = last_growth_ = now;
}

void Uplink::measured(double bytes_per_second, bool at_least, base::Time now) {
  if (!begun()) window_started_ = now;
  rate_ = std::max({bytes_per_second, least_, kLeast});
  starting_ = at_least;
  measured_ = at_least ? std::nullopt : std::optional{rate_};
  held_back_ = draining_ = contended_ = false;
  gave_way_.reset();
  last_growth_ = now;
}

bool Uplink::doubts_measure() const {
  constexpr double kFarBelow = 0.7;
  return measured_ && !contended_ && (held_back_ || rate_ < kFarBelow * *measured_);
}

void Uplink::on_delay(PeerKey peer, std::uint32_t sample_us, base::Time now) {
  auto it = peers_.find(peer);
  if (it == peers_.end()) {
    if (peers_.size() >= kMaxPeers) return;
    it = peers_.emplace(peer, Peer{sample_us, {}, {}, {}, now, now, calm(now)}).first;
  }
  Peer& one = it->second;
  const base::Duration delay{static_cast<std::int32_t>(sample_us - one.first)};
  if (now - one.half_started >= kHalf) {   // clocks drift apart, and paths change
    one.before = one.least;
    one.least = delay;
    one.half_started = now;
  }
  one.least = std::min(one.least, delay);
  one.now = delay;
  one.at = now;
}

bool Uplink::calm(base::Time now) const { return queue(now).value_or(base::Duration{}) <= kCalm; }

std::optional<base::Duration> Uplink::queue(base::Time now) const {
  std::vector<base::Duration> queues;
  std::vector<base::Duration> blind;
  for (const auto& [key, peer] : peers_) {
    if (now - peer.at <= kFresh) (peer.sees ? queues : blind).push_back(peer.now - std::min(peer.least, peer.before));
  }
  if (queues.empty()) queues = std::move(blind);
  if (queues.empty()) return std::nullopt;
  const auto middle = queues.begin() + static_cast<std::ptrdiff_t>(queues.size() / 2);
  std::ranges::nth_element(queues, middle);
  return std::max(base::Duration{}, *middle - two_chunks());
}

base::Duration Uplink::two_chunks() const {
  constexpr base::Duration kMost{60'000};
  const double seconds = 2 * chunk_bytes_ / std::max(measured_.value_or(rate_), kLeast);
  return std::min(kMost, base::Duration{static_cast<std::int64_t>(seconds * 1e6)});
}

void Uplink::grow() {
  constexpr double kFactor = 1.5;   // while starting: a line of four times the guess is found in four steps
  constexpr double kShare = 1.0 / 16;
  rate_ += starting_ ? (kFactor - 1) * rate_ : kShare * rate_;
  held_back_ = measured_ && rate_ > *measured_;
  if (held_back_) rate_ = *measured_;
}

// While there was a queue all along, the line has carried what went out but for what the queue grew by. Otherwise bursts make such sums
// too small, and one step is as good as another.
void Uplink::fall(base::Duration queue) {
  constexpr double kStep = 0.85;
  constexpr double kSmallStep = 0.93;   // what shows at the end of a burst only is not much too fast
  constexpr double kMost = 0.5;
  constexpr double kMargin = 0.95;
  double bytes = 0;
  for (const Window& window : windows_) bytes += window.bytes_per_second / kWindows;
  const bool busy = std::ranges::all_of(windows_, [](const Window& w) { return w.queue > kCalm; });
  const Window& oldest = windows_[window_ % kWindows];   // the newest is in already
  const double grown = static_cast<double>((queue - oldest.queue).count()) / 1e6;   // seconds, in about one
  const double step = queue > kLong ? kStep : kSmallStep;
  rate_ = busy && grown > -0.5 ? std::clamp(kMargin * bytes / (1 + grown), kMost * rate_, step * rate_) : step * rate_;
  rate_ = std::max(rate_, least_);
}

// TCP fills a queue to its brim: who gives way to queues alone is left with nothing beside it. Copa competes from the moment its queue no
// longer empties (Arun and Balakrishnan 2018, section 2.2); this, once giving way has been of no use.
bool Uplink::contend(base::Time now) {
  constexpr base::Duration kPatience = std::chrono::seconds{2};
  constexpr base::Duration kMuch{100'000};
  constexpr base::Duration kAgain = std::chrono::seconds{60};
  constexpr double kStill = 0.9;
  const Window& newest = windows_[(window_ - 1) % kWindows];
  if (contended_) {
    // What others keep full does not grow by what we send: a queue that does is our own, in a line that has become narrow.
    const bool ours = std::ranges::all_of(windows_, [&](const Window& w) { return w.queue > fullest_ + kMuch; });
    if (ours) contend_again_ = now + kAgain;
    contended_ = !ours && std::ranges::any_of(windows_, [](const Window& w) { return w.queue > kCalm; });
    if (!contended_) gave_way_.reset();
  } else if (!measured_ || now < contend_again_ || newest.queue <= kCongested || newest.bytes_per_second > kGivenWay * *measured_) {
    gave_way_.reset();
  } else if (!gave_way_ || std::chrono::abs(newest.queue - gave_way_->queue) > kMuch || rate_ < kStill * gave_way_->rate) {
    gave_way_ = {now, newest.queue, rate_};   // it shrinks, or grows, or we have not given way enough
  } else {
    contended_ = now - gave_way_->since >= kPatience;
  }
  if (contended_)
    rate_ = std::max(kShare * *measured_, least_);
  else
    fullest_ = newest.queue <= kCalm ? base::Duration{} : std::max(fullest_, newest.queue);
  return contended_;
}

void Uplink::tick(base::Time now) {
  if (!begun() || now - window_started_ < kWindow) return;
  constexpr base::Duration kGrowthInterval = std::chrono::seconds{1};
  constexpr base::Duration kStartInterval{400'000};   // until a step would show
  constexpr base::Duration kHold{600'000};            // a round trip, and an advert's turn
  constexpr base::Duration kHoldLong{1'200'000};      // until a stream's next burst has shown what a small step did
  const double used = starting_ ? 0.65 : 0.8;   // of the estimate: three quarters of it are given out as slots
  constexpr double kShrinks = 0.9;
  const auto seen = queue(now);
  const double rate = static_cast<double>(window_bytes_) * 1e6 / static_cast<double>((now - window_started_).count());
  windows_[window_++ % kWindows] = {rate, seen.value_or(base::Duration{}), window_waited_ && rate > used * rate_};
  if (contend(now)) {
    last_growth_ = now;
  } else if (seen && *seen <= kCalm) {
    draining_ = false;
    for (auto& [key, peer] : peers_) {
      if (!std::exchange(peer.sees, true)) peer.least = peer.before = peer.now;
    }
    // Streams come in bursts, once a second or two: what each of them shows counts until the next.
    const bool full = std::ranges::any_of(windows_, &Window::used);
    const bool calm = std::ranges::all_of(windows_, [](const Window& w) { return w.queue <= kCalm; });
    if (full && calm && now - last_growth_ >= (starting_ ? kStartInterval : kGrowthInterval)) {
      grow();
      last_growth_ = now;
      if (starting_) std::ranges::for_each(windows_, [](Window& w) { w.used = false; });   // each step is to be used before the next
    }
  } else if (seen && *seen > kCongested && now - fell_ >= (*seen > kLong ? kHold : kHoldLong)) {
    // A queue that shrinks needs time, not another step.
    const bool shrinks = draining_ && static_cast<double>(seen->count()) < kShrinks * static_cast<double>(fell_at_.count());
    if (!shrinks) fall(*seen);
    fell_at_ = *seen;
    draining_ = *seen > kLong;
    starting_ = false;
    fell_ = last_growth_ = now;
  }
  window_started_ = now;
  window_bytes_ = 0;
  window_waited_ = false;
}

}  // namespace runnel::swarm
