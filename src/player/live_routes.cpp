#include <algorithm>
#include <charconv>

#include "player/hls_live.hpp"
#include "player/router.hpp"
#include "player/wait.hpp"

namespace runnel::player {
namespace {

using media::LiveTimeline;

// A blocked request is given up after this many target durations (RFC 8216bis 6.2.5.2).
constexpr int kBlockedTargets = 3;
constexpr std::string_view kMp4 = "video/mp4";

std::chrono::milliseconds blocked_limit(const LiveTimeline& timeline) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(timeline.target_duration()) * kBlockedTargets;
}

Response media_response(std::vector<Piece> pieces) {
  Response response;
  response.content_type = kMp4;
  response.body = std::move(pieces);
  return response;
}

Response no_media_yet(const LiveTimeline& timeline) {
  if (timeline.ended()) return not_found("the stream ended before anything of it arrived here");
  return try_again("no media of this stream has arrived yet; it starts as soon as the caster or another peer is reached");
}

void add_chunks(std::vector<Piece>& pieces, const media::Part& part) {
  for (const media::MediaChunk& chunk : part.chunks) pieces.push_back(chunk.bytes);
}

Response init_response(std::uint64_t epoch, const LiveTimeline& timeline) {
  const media::InitSegment* init = epoch <= UINT32_MAX ? timeline.init(static_cast<std::uint32_t>(epoch)) : nullptr;
  if (init == nullptr) return not_found("this part of the stream has left the window");
  return media_response({init->bytes});
}

Response segment_response(std::uint64_t sequence, const LiveTimeline& timeline) {
  const media::Segment* segment = find_segment(timeline, sequence);
  if (segment == nullptr || !segment->complete) return not_found("this segment has left the window, or is not there yet");
  std::vector<Piece> pieces;
  for (const media::Part& part : segment->parts) add_chunks(pieces, part);
  return media_response(std::move(pieces));
}

// The value of a _HLS_ directive: absent, a number, or malformed.
struct Directive {
  std::optional<std::uint64_t> value;
  bool malformed = false;
};
Directive directive(std::string_view query, std::string_view name) {
  const auto text = query_value(query, name);
  if (!text) return {};
  const auto value = numbered(*text, "", "");
  return {value, !value};
}

}  // namespace

Work Router::handle_live(const Request& request, LiveTimeline& timeline, Stream& stream, std::string_view rest, Respond respond) {
  if (rest == "master.m3u8") return live_master(timeline, std::move(respond));
  if (rest == "live.m3u8") return live_playlist(request, timeline, std::move(respond));
  if (rest == "live.ts") return live_ts(request, timeline, stream, std::move(respond));
  if (rest.starts_with("part-")) return live_part(rest, timeline, std::move(respond));
  if (const auto epoch = numbered(rest, "init-", ".mp4")) {
    respond(init_response(*epoch, timeline));
  } else if (const auto sequence = numbered(rest, "seg-", ".m4s")) {
    respond(segment_response(*sequence, timeline));
  } else if (rest == "media") {
    respond(not_found("a live stream has no fixed bytes; use master.m3u8 or live.ts"));
  } else {
    respond(not_found("a live stream has master.m3u8, live.ts and link.svg"));
  }
  return nullptr;
}

Work Router::live_master(LiveTimeline& timeline, Respond respond) {
  const auto ready = [&timeline] { return live_playable(timeline); };
  return wait_until(io_, &timeline, config_.limits.first_media, ready, [&timeline, respond](bool playable) {
    respond(playable ? playlist_response(live_master_playlist(timeline)) : no_media_yet(timeline));
  });
}

Work Router::live_playlist(const Request& request, LiveTimeline& timeline, Respond respond) {
  // "v2" asks to skip EXT-X-DATERANGE tags as well; there are none.
  const auto skip = query_value(request.query, "_HLS_skip");
  const PlaylistForm form = skip == "YES" || skip == "v2" ? PlaylistForm::delta : PlaylistForm::full;
  const Directive segment = directive(request.query, "_HLS_msn");
  const Directive part = directive(request.query, "_HLS_part");
  if (segment.malformed || part.malformed || (part.value && !segment.value)) {
    respond(text_response(400, "_HLS_msn and _HLS_part are numbers, and _HLS_part needs _HLS_msn"));
    return nullptr;
  }
  if (!segment.value || !live_playable(timeline)) {
    const auto ready = [&timeline] { return live_playable(timeline); };
    return wait_until(io_, &timeline, config_.limits.first_media, ready, [&timeline, form, respond](bool playable) {
      respond(playable ? playlist_response(live_media_playlist(timeline, form)) : no_media_yet(timeline));
    });
  }
  const ReloadTarget target{*segment.value, part.value};
  if (reload_state(timeline, target) == ReloadState::too_far) {
    respond(text_response(400, "_HLS_msn is too far ahead of the stream"));
    return nullptr;
  }
  const auto ready = [&timeline, target] { return reload_state(timeline, target) == ReloadState::ready; };
  return wait_until(io_, &timeline, blocked_limit(timeline), ready, [&timeline, form, respond](bool reached) {
    respond(reached ? playlist_response(live_media_playlist(timeline, form)) : try_again("the stream stands still: no new media came"));
  });
}

// A part that is hinted at but not there yet is waited for.
Work Router::live_part(std::string_view name, LiveTimeline& timeline, Respond respond) {
  const auto number = numbered(name, "part-", ".m4s");
  if (!number || *number > timeline.next_part()) {
    respond(not_found("there is no such part"));
    return nullptr;
  }
  const auto settled = [&timeline, number] {
    const media::Part* part = find_part(timeline, *number);
    return part != nullptr ? part->complete : *number < timeline.next_part() || timeline.ended();
  };
  return wait_until(io_, &timeline, blocked_limit(timeline), settled, [&timeline, respond, number](bool) {
    const media::Part* part = find_part(timeline, *number);
    if (part == nullptr || !part->complete) return respond(not_found("this part has left the window, or did not come"));
    std::vector<Piece> pieces;
    add_chunks(pieces, *part);
    respond(media_response(std::move(pieces)));
  });
}

Work Router::live_ts(const Request& request, LiveTimeline& timeline, Stream& stream, Respond respond) {
  const auto head = [] {
    Response response;
    response.content_type = "video/mp2t";
    return response;
  };
  if (request.head) {
    Response response = head();
    response.body = StreamBody{};
    respond(std::move(response));
    return nullptr;
  }
  if (!config_.start_ts) {
    respond(not_found("this node was started without its media helper, which makes live.ts; use master.m3u8"));
    return nullptr;
  }
  const auto begun = [&timeline] { return !timeline.segments().empty(); };
  return wait_until(io_, &timeline, config_.limits.first_media, begun, [this, &timeline, &stream, head, respond](bool reached) {
    if (!reached) return respond(no_media_yet(timeline));
    auto& slot = ts_hubs_[stream.id()];
    auto hub = slot.lock();
    if (!hub) {
      hub = make_ts_hub(io_, timeline, TsHubConfig{config_.start_ts, config_.helper, config_.limits, stream.id()});
      slot = hub;
    }
    Response response = head();
    response.body = StreamBody{hub->open(), std::nullopt};
    respond(std::move(response));
  });
}

}  // namespace runnel::player
