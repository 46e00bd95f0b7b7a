#include "player/status_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "player/hls_live.hpp"
#include "player/hls_text.hpp"

namespace runnel::player {
namespace {

namespace json = boost::json;

// Titles, names and addresses come from strangers; JSON must be UTF-8.
json::string text(std::string_view from) { return json::string{valid_utf8(from)}; }

json::object peer_json(const PeerStatus& peer) {
  return {
      {"address", text(peer.address)},
      {"direction", text(peer.direction)},
      {"caster", peer.is_caster},
      {"sealed", peer.sealed},
      {"down_bytes", peer.down_bytes},
      {"up_bytes", peer.up_bytes},
      {"down_rate", peer.down_rate},
      {"up_rate", peer.up_rate},
      {"rejected_chunks", peer.rejected_chunks},
      {"rtt_ms", peer.rtt_ms},
      {"queue_delay_ms", peer.queue_delay_ms},
      {"have_fraction", peer.have_fraction},
      {"choking_us", peer.choking_us},
      {"choked_by_us", peer.choked_by_us},
  };
}

json::object identity_json(Stream& stream, bool to_this_machine) {
  const std::string base = "/streams/" + stream.id() + '/';
  json::object object{
      {"id", text(stream.id())},
      {"title", text(stream.title())},
      {"link", text(to_this_machine ? stream.link() : stream.open_link())},
      {"role", text(stream.role())},
      {"live", stream.is_live()},
      {"playlist", base + "master.m3u8"},
      {"media", nullptr},
      {"live_ts", nullptr},
      {"mime", nullptr},
      {"file_name", nullptr},
  };
  if (stream.is_live()) {
    object["live_ts"] = base + "live.ts";
  } else {
    object["media"] = base + "media";
    object["mime"] = text(stream.mime());
    object["file_name"] = text(stream.file_name());
  }
  return object;
}

void add_timeline(json::object& object, media::LiveTimeline& timeline) {
  json::object window{
      {"playable", live_playable(timeline)},
      {"ended", timeline.ended()},
      {"window_s", std::chrono::duration<double>(timeline.buffered()).count()},
      {"window_bytes", timeline.held_bytes()},
  };
  object["timeline"] = std::move(window);
}

json::object lag_parts_json(const LagParts& parts) { return {{"source_s", parts.source_s}, {"swarm_s", parts.swarm_s}}; }

double seconds(base::Duration d) { return std::chrono::duration<double>(d).count(); }

// `counts`: [no later than so many ms, how many chunks], those of none left out.
json::object chunk_delays_json(const swarm::DelayHistogram& delays) {
  json::array counts;
  for (std::size_t i = 0; i < swarm::DelayHistogram::kBuckets; ++i) {
    if (delays.count(i) > 0) counts.push_back({seconds(swarm::DelayHistogram::upper(i)) * 1000, delays.count(i)});
  }
  return {
      {"p50_s", seconds(delays.quantile(0.5))},
      {"p95_s", seconds(delays.quantile(0.95))},
      {"p99_s", seconds(delays.quantile(0.99))},
      {"counts", std::move(counts)},
  };
}

// Bytes per second on the wire, trees, and chunks.
json::object push_json(const swarm::PushState& push) {
  return {
      {"stream_rate", push.stream_rate},
      {"uplink", push.uplink},
      {"line_queue_s", push.line_queue ? json::value(seconds(*push.line_queue)) : json::value(nullptr)},
      {"waiting_s", seconds(push.backlog)},
      {"slots", push.slots},
      {"slots_used", push.slots_used},
      {"parents", push.parents},
      {"fed", push.fed},
      {"place", push.place ? json::value(*push.place) : json::value(nullptr)},
      {"repairs_asked", push.nacks},
      {"repairs_refused", push.busy},
  };
}

json::object stream_json(Stream& stream, bool to_this_machine) {
  const StreamStatus status = stream.status();
  json::object object = identity_json(stream, to_this_machine);
  object["state"] = text(status.state);
  object["problem"] = text(status.problem);
  object["down_bytes"] = status.down_bytes;
  object["up_bytes"] = status.up_bytes;
  object["origin_bytes"] = status.origin_bytes;
  object["caster_bytes"] = status.caster_bytes;
  object["down_rate"] = status.down_rate;
  object["up_rate"] = status.up_rate;
  object["verified"] = status.verified;
  object["rejected"] = status.rejected;
  object["total_bytes"] = status.total_bytes;
  object["have_bytes"] = status.have_bytes;
  object["buffer_s"] = status.buffer_s;
  object["lag_s"] = status.lag_s ? json::value(*status.lag_s) : json::value(nullptr);
  object["lag_parts"] = status.lag_parts ? json::value(lag_parts_json(*status.lag_parts)) : json::value(nullptr);
  object["chunk_delays"] = status.chunk_delays ? json::value(chunk_delays_json(*status.chunk_delays)) : json::value(nullptr);
  object["push"] = status.push ? json::value(push_json(*status.push)) : json::value(nullptr);
  object["wanted_chunks"] = status.wanted_chunks;
  object["known_peers"] = status.known_peers;
  object["timeline"] = nullptr;
  if (media::LiveTimeline* timeline = stream.timeline()) add_timeline(object, *timeline);
  json::array peers;
  for (const PeerStatus& peer : status.peers) peers.push_back(peer_json(peer));
  object["peers"] = std::move(peers);
  json::array trackers;
  for (const std::string& tracker : status.trackers) trackers.push_back(text(tracker));
  object["trackers"] = std::move(trackers);
  return object;
}

// Prometheus text format 0.0.4: backslash, quote and line end are escaped in a label.
std::string label_value(std::string_view raw) {
  std::string escaped;
  for (const char c : valid_utf8(raw)) {
    if (c == '\\' || c == '"') escaped += '\\';
    if (c == '\n')
      escaped += "\\n";
    else
      escaped += c;
  }
  return escaped;
}

struct Metric {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  std::optional<double> (*value)(const StreamStatus&);
};

double number(std::uint64_t n) { return static_cast<double>(n); }

std::optional<double> delay(const StreamStatus& status, double quantile) {
  if (!status.chunk_delays || status.chunk_delays->total() == 0) return std::nullopt;
  return seconds(status.chunk_delays->quantile(quantile));
}

constexpr Metric kMetrics[] = {
    {"runnel_down_bytes_total", "counter", "Chunk payload received, duplicates included.",
     [](const StreamStatus& s) { return std::optional{number(s.down_bytes)}; }},
    {"runnel_up_bytes_total", "counter", "Chunk payload sent.", [](const StreamStatus& s) { return std::optional{number(s.up_bytes)}; }},
    {"runnel_origin_bytes_total", "counter", "Bytes taken from HTTP origins.",
     [](const StreamStatus& s) { return std::optional{number(s.origin_bytes)}; }},
    {"runnel_caster_bytes_total", "counter", "Bytes taken from the caster itself, as far as known.",
     [](const StreamStatus& s) { return std::optional{number(s.caster_bytes)}; }},
    {"runnel_verified_chunks_total", "counter", "Chunks whose hash was right.",
     [](const StreamStatus& s) { return std::optional{number(s.verified)}; }},
    {"runnel_rejected_chunks_total", "counter", "Chunks whose hash was wrong.",
     [](const StreamStatus& s) { return std::optional{number(s.rejected)}; }},
    {"runnel_have_bytes", "gauge", "Verified bytes held of an on-demand stream.",
     [](const StreamStatus& s) { return std::optional{number(s.have_bytes)}; }},
    {"runnel_total_bytes", "gauge", "Size of an on-demand stream.",
     [](const StreamStatus& s) { return std::optional{number(s.total_bytes)}; }},
    {"runnel_buffer_seconds", "gauge", "Media held ahead of the player.", [](const StreamStatus& s) { return std::optional{s.buffer_s}; }},
    {"runnel_lag_seconds", "gauge", "Age of the newest playable media of a live stream.", [](const StreamStatus& s) { return s.lag_s; }},
    {"runnel_chunk_delay_p50_seconds", "gauge", "From the source's signing of a chunk to its being verified here: half were quicker.",
     [](const StreamStatus& s) { return delay(s, 0.5); }},
    {"runnel_chunk_delay_p99_seconds", "gauge", "The same: one in a hundred was slower.",
     [](const StreamStatus& s) { return delay(s, 0.99); }},
    {"runnel_wanted_chunks", "gauge", "Chunks requested and not yet here.",
     [](const StreamStatus& s) { return std::optional{number(s.wanted_chunks)}; }},
    {"runnel_peers", "gauge", "Peers connected now.",
     [](const StreamStatus& s) { return std::optional{static_cast<double>(s.peers.size())}; }},
    {"runnel_known_peers", "gauge", "Peer addresses heard of.", [](const StreamStatus& s) { return std::optional{number(s.known_peers)}; }},
};

std::string number_text(double value) {
  char digits[64];
  const bool whole = value >= 0 && value < 9e15 && value == static_cast<double>(static_cast<std::uint64_t>(value));
  if (whole) return std::to_string(static_cast<std::uint64_t>(value));
  std::snprintf(digits, sizeof digits, "%.6g", value);
  return digits;
}

}  // namespace

std::string status_json(Streams& streams, const std::string& base_url, const std::string& lan_url, bool to_this_machine) {
  json::array list;
  for (Stream* stream : streams.list()) list.push_back(stream_json(*stream, to_this_machine));
  json::object object{{"version", text(streams.version())}, {"base_url", base_url}, {"lan_url", lan_url}, {"streams", std::move(list)}};
  return json::serialize(object);
}

std::string streams_json(Streams& streams, bool to_this_machine) {
  json::array list;
  for (Stream* stream : streams.list()) list.push_back(identity_json(*stream, to_this_machine));
  return json::serialize(list);
}

std::string metrics_text(Streams& streams) {
  std::vector<std::pair<std::string, StreamStatus>> all;
  for (Stream* stream : streams.list()) {
    std::string labels = "{stream=\"" + label_value(stream->id()) + "\",role=\"" + label_value(stream->role()) + "\"}";
    all.emplace_back(std::move(labels), stream->status());
  }
  std::string out = "# HELP runnel_info The program's version.\n# TYPE runnel_info gauge\nrunnel_info{version=\"" +
                    label_value(streams.version()) + "\"} 1\n";
  for (const Metric& metric : kMetrics) {
    out.append("# HELP ").append(metric.name).append(" ").append(metric.help).append("\n");
    out.append("# TYPE ").append(metric.name).append(" ").append(metric.type).append("\n");
    for (const auto& [labels, status] : all) {
      if (const auto value = metric.value(status))
        out.append(metric.name).append(labels).append(" ").append(number_text(*value)).append("\n");
    }
  }
  return out;
}

}  // namespace runnel::player
