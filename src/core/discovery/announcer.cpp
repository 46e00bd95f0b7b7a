#include "core/discovery/announcer.hpp"

#include <algorithm>

namespace runnel::discovery {
namespace {

using base::Duration;
using base::Time;

constexpr unsigned kMaxDoublings = 7;  // 15 s * 2^7 is past kRetryMax

std::string seconds_text(Duration d) {
  const auto s = std::chrono::ceil<std::chrono::seconds>(d).count();
  if (s < 120) return std::to_string(s) + " s";
  return std::to_string((s + 30) / 60) + " min";
}

std::string failed_status(unsigned status) { return "HTTP status " + std::to_string(status); }

}  // namespace

Announcer::Announcer(Config config, base::Rng rng, const crypto::SecretRng::Seed& secrets, Time now)
    : config_(std::move(config)), rng_(rng), secrets_(secrets), next_at_(now), last_success_(now) {
  state_.url = config_.url.to_string();
}

void Announcer::handle(const Input& input, Time now) {
  if (finished_) return;
  std::visit([&](const auto& i) { on(i, now); }, input);
}

std::optional<Announcer::Output> Announcer::poll(Time now) {
  if (outputs_.empty()) advance(now);
  if (outputs_.empty()) return std::nullopt;
  Output output = std::move(outputs_.front());
  outputs_.pop_front();
  return output;
}

std::optional<Time> Announcer::next_deadline() const {
  if (finished_) return std::nullopt;
  return in_flight_ ? in_flight_->deadline : next_at_;
}

void Announcer::on(const HttpAnswered& input, Time now) {
  if (!in_flight_ || in_flight_->request != input.request || is_udp()) return;
  auto answer = parse_announce_answer(input.body, config_.peer_id);
  if (answer && input.status / 100 == 2) return succeeded(std::move(*answer), now);
  // Trackers explain themselves in the body of an error answer too.
  const bool explained = !answer && answer.error().kind == AnswerError::Kind::refused;
  failed(input.status / 100 == 2 || explained ? message(answer.error()) : "the tracker answered " + failed_status(input.status), now);
}

void Announcer::on(const SendFailed& input, Time now) {
  if (!in_flight_ || in_flight_->request != input.request) return;
  failed(input.reason, now);
}

void Announcer::on(const UdpReceived& input, Time now) {
  if (!in_flight_ || !is_udp()) return;
  auto answer = decode_udp_answer(input.datagram, input.v4);
  if (!answer || transaction_of(*answer) != in_flight_->transaction) return;
  if (const auto* connected = std::get_if<UdpConnected>(&*answer); connected != nullptr && in_flight_->connecting) {
    connection_ = Connection{connected->connection, now + kUdpConnectionLife};
    return send_udp_announce(now, false);
  }
  if (auto* announced = std::get_if<UdpAnnounced>(&*answer); announced != nullptr && !in_flight_->connecting) {
    return succeeded({.interval = std::chrono::seconds{std::min<std::uint32_t>(announced->interval_s, 7 * 24 * 3600)},
                      .seeders = announced->seeders,
                      .leechers = announced->leechers,
                      .peers = std::move(announced->peers)},
                     now);
  }
  if (const auto* error = std::get_if<UdpError>(&*answer)) {
    connection_.reset();
    // A tracker that was restarted no longer knows the id: a new one costs one exchange, not a back-off.
    if (in_flight_->reused_connection) return send_connect(now);
    failed(message(AnswerError{AnswerError::Kind::refused, error->reason}), now);
  }
}

void Announcer::on(const StatsChanged& input, Time) { stats_ = input.stats; }

void Announcer::on(const Completed&, Time now) {
  stats_.left = 0;
  if (stopping_ || completed_pending_) return;
  completed_pending_ = true;
  if (!in_flight_ && failures_ == 0) next_at_ = now;
}

void Announcer::on(const NeedPeers&, Time now) {
  if (stopping_ || in_flight_ || failures_ > 0) return;
  next_at_ = std::min(next_at_, std::max(now, last_success_ + min_interval_));
}

void Announcer::on(const Stop&, Time now) {
  if (stopping_) return;
  stopping_ = true;
  in_flight_.reset();
  // A tracker that never answered would only keep the user waiting.
  if (!maybe_known_ || (failures_ > 0 && !registered_)) return finish();
  send(AnnounceEvent::stopped, now);
}

void Announcer::advance(Time now) {
  if (finished_) return;
  if (in_flight_) {
    if (now >= in_flight_->deadline) timed_out(now);
    return;
  }
  if (!stopping_ && now >= next_at_) send(next_event(), now);
}

AnnounceEvent Announcer::next_event() const {
  if (!registered_) return AnnounceEvent::started;
  return completed_pending_ ? AnnounceEvent::completed : AnnounceEvent::none;
}

AnnounceParameters Announcer::parameters(AnnounceEvent event) const {
  return {.info_hash = config_.info_hash,
          .peer_id = config_.peer_id,
          .port = config_.port,
          .stats = stats_,
          .event = event,
          .num_want = event == AnnounceEvent::stopped ? 0 : config_.num_want,
          .key = config_.key,
          .ipv4 = config_.ipv4,
          .ipv6 = config_.ipv6,
          .tracker_id = tracker_id_};
}

void Announcer::send(AnnounceEvent event, Time now) {
  if (failures_ == 0 && !registered_ && !stopping_) report(TrackerCondition::announcing, "asking tracker " + config_.url.authority());
  maybe_known_ = true;
  if (is_udp()) return send_udp(event, now);
  in_flight_ = InFlight{.request = ++requests_, .event = event, .deadline = now + (stopping_ ? kStopTimeout : kHttpAnswerTimeout)};
  outputs_.push_back(SendHttp{in_flight_->request, announce_url(config_.url, parameters(event))});
}

void Announcer::send_udp(AnnounceEvent event, Time now) {
  // For UDP the wait for an answer is the back-off: 15 * 2^n seconds, and at its end the next try.
  in_flight_ = InFlight{.event = event, .deadline = now + (stopping_ ? kStopTimeout : back_off(failures_))};
  if (connection_ && now < connection_->expires) return send_udp_announce(now, true);
  send_connect(now);
}

void Announcer::send_connect(Time) {
  connection_.reset();
  in_flight_->request = ++requests_;
  in_flight_->transaction = secrets_.next_u32();
  in_flight_->connecting = true;
  in_flight_->reused_connection = false;
  outputs_.push_back(SendUdp{in_flight_->request, config_.url.host, config_.url.port, encode(UdpConnect{in_flight_->transaction})});
}

void Announcer::send_udp_announce(Time, bool reused) {
  in_flight_->request = ++requests_;
  in_flight_->transaction = secrets_.next_u32();
  in_flight_->connecting = false;
  in_flight_->reused_connection = reused;
  const UdpAnnounce announce{.connection = connection_->id,
                             .transaction = in_flight_->transaction,
                             .parameters = parameters(in_flight_->event),
                             .path = config_.url.target == "/" ? std::string{} : config_.url.target};
  outputs_.push_back(SendUdp{in_flight_->request, config_.url.host, config_.url.port, encode(announce)});
}

void Announcer::succeeded(AnnounceAnswer answer, Time now) {
  const AnnounceEvent event = in_flight_->event;
  in_flight_.reset();
  failures_ = 0;
  if (event == AnnounceEvent::stopped) return finish();
  if (event == AnnounceEvent::completed) completed_pending_ = false;
  registered_ = true;
  last_success_ = now;
  if (!answer.tracker_id.empty()) tracker_id_ = answer.tracker_id;
  const Duration interval = std::clamp(answer.interval, kMinAnnounceInterval, kMaxAnnounceInterval);
  min_interval_ = std::clamp(answer.min_interval.value_or(std::min(kDefaultMinInterval, interval)), kMinAnnounceInterval, interval);
  next_at_ = completed_pending_ ? now : now + with_jitter(interval, kIntervalJitter);
  state_.seeders = answer.seeders;
  state_.leechers = answer.leechers;
  state_.next_try = next_at_;
  const std::size_t found = answer.peers.size();
  if (found > 0 || answer.external_address) outputs_.push_back(PeersFound{std::move(answer.peers), answer.external_address});
  std::string text = "tracker " + config_.url.authority() + ": " + std::to_string(found) + (found == 1 ? " peer" : " peers");
  if (!answer.warning.empty()) text += " (it warns: " + answer.warning + ')';
  report(TrackerCondition::working, std::move(text));
}

void Announcer::failed(const std::string& reason, Time now) {
  in_flight_.reset();
  if (stopping_) return finish();
  ++failures_;
  const Duration wait = back_off(failures_ - 1);
  next_at_ = now + wait;
  state_.next_try = next_at_;
  report(TrackerCondition::failing, "tracker " + config_.url.authority() + ": " + reason + ": next try in " + seconds_text(wait));
}

void Announcer::timed_out(Time now) {
  if (stopping_) return finish();
  if (!is_udp()) return failed("no answer", now);
  ++failures_;
  send_udp(next_event(), now);
  state_.next_try = in_flight_->deadline;
  report(TrackerCondition::failing,
         "tracker " + config_.url.authority() + ": no answer, trying again: next try in " + seconds_text(in_flight_->deadline - now));
}

void Announcer::finish() {
  in_flight_.reset();
  finished_ = true;
  state_.next_try.reset();
  report(TrackerCondition::stopped, "tracker " + config_.url.authority() + ": stopped");
  outputs_.push_back(Finished{});
}

void Announcer::report(TrackerCondition condition, std::string text) {
  state_.condition = condition;
  state_.text = std::move(text);
  outputs_.push_back(StateChanged{state_});
}

Duration Announcer::back_off(unsigned doublings) {
  const Duration plain = kRetryFirst * (1 << std::min(doublings, kMaxDoublings));
  return std::min(with_jitter(std::min(plain, kRetryMax), kRetryJitter), kRetryMax);
}

Duration Announcer::with_jitter(Duration d, double share) {
  return d + Duration{static_cast<Duration::rep>(static_cast<double>(d.count()) * share * rng_.unit())};
}

}  // namespace runnel::discovery
