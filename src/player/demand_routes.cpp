#include <algorithm>
#include <charconv>

#include "player/content_source.hpp"
#include "player/hls_demand.hpp"
#include "player/router.hpp"
#include "player/wait.hpp"

namespace runnel::player {
namespace {

// Segments of a film do not change, but a newer program may cut them otherwise.
constexpr std::string_view kSegmentCaching = "private, max-age=600";

struct TrackFile {
  enum class Kind : std::uint8_t { playlist, init, segment };
  Kind kind = Kind::playlist;
  std::uint32_t track = 0;
  std::uint32_t segment = 0;
};

std::optional<std::uint32_t> small_number(std::string_view digits) {
  const auto value = numbered(digits, "", "");
  return value && *value <= UINT32_MAX ? std::optional{static_cast<std::uint32_t>(*value)} : std::nullopt;
}

// track-N.m3u8, track-N-init.mp4, track-N-SEGMENT.m4s or .vtt
std::optional<TrackFile> parse_track_file(std::string_view name) {
  constexpr std::string_view kPrefix = "track-";
  const std::size_t dot = name.rfind('.');
  if (!name.starts_with(kPrefix) || dot == std::string_view::npos) return std::nullopt;
  const std::string_view stem = name.substr(kPrefix.size(), dot - kPrefix.size());
  const std::string_view extension = name.substr(dot);
  const std::size_t dash = stem.find('-');
  const auto track = small_number(stem.substr(0, dash));
  if (!track) return std::nullopt;
  if (dash == std::string_view::npos) {
    return extension == ".m3u8" ? std::optional{TrackFile{TrackFile::Kind::playlist, *track, 0}} : std::nullopt;
  }
  const std::string_view what = stem.substr(dash + 1);
  if (what == "init" && extension == ".mp4") return TrackFile{TrackFile::Kind::init, *track, 0};
  const auto segment = small_number(what);
  if (!segment || (extension != ".m4s" && extension != ".vtt")) return std::nullopt;
  return TrackFile{TrackFile::Kind::segment, *track, *segment};
}

std::string_view track_mime(media::TrackKind kind) {
  switch (kind) {
    case media::TrackKind::video: return "video/mp4";
    case media::TrackKind::audio: return "audio/mp4";
    case media::TrackKind::subtitle: return "text/vtt; charset=utf-8";
  }
  return "application/octet-stream";
}

Response piece_response(const std::expected<Piece, std::string>& piece, media::TrackKind kind) {
  if (!piece) return try_again("this part of the film could not be prepared: " + piece.error());
  Response response;
  response.content_type = track_mime(kind);
  response.cache_control = kSegmentCaching;
  response.body = std::vector<Piece>{*piece};
  return response;
}

Response not_playable(const std::string& why) {
  return text_response(415, "this cannot be played (" + why + "); its bytes can be had at 'media' beside this address");
}

// RFC 8187: any name, as ASCII.
std::string attachment(std::string_view name) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (plain) {
      encoded += c;
    } else {
      encoded += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return "attachment; filename*=UTF-8''" + encoded;
}

// A header's value cannot end the header.
std::string header_safe(std::string text) {
  const bool plain = std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
  return plain && !text.empty() ? std::move(text) : "application/octet-stream";
}

// FFmpeg's HLS reader breaks off after a seek in segments of fragmented MP4, whoever made them (mpv's issue 15184). mpv reads HLS with
// it; the film's own bytes serve it better.
bool misreads_segments(const Request& request) { return request.user_agent.starts_with("libmpv"); }

Response redirect(std::string to) {
  Response response = text_response(307, "the film's own bytes: " + to);
  response.headers.emplace_back("Location", std::move(to));
  return response;
}

// The index first, then the piece; dropping both drops the one it is at. Either may be answered from inside the asking.
struct TwoSteps {
  Work index;
  Work piece;
};

}  // namespace

Work Router::handle_demand(const Request& request, Stream& stream, std::string_view rest, Respond respond) {
  if (rest == "media") {
    return when_sized(stream, std::move(respond), [this, request, &stream](const Respond& answer) -> Work {
      answer(media_bytes(request, stream));
      return nullptr;
    });
  }
  if (!config_.start_demand) {
    respond(not_found("this node was started without its media helper, which cuts films; their bytes are at 'media'"));
    return nullptr;
  }
  if (rest == "master.m3u8") {
    if (misreads_segments(request)) {
      respond(redirect("media"));
      return nullptr;
    }
    return with_index(stream, std::move(respond), [&stream](const media::DemandIndex& index) {
      const bool shown = std::ranges::any_of(index.tracks, [](const auto& t) { return t.kind != media::TrackKind::subtitle; });
      if (!shown || index.segments.empty()) return not_playable("it has neither picture nor sound that can be served");
      return playlist_response(demand_master_playlist(index, stream.content()->size()));
    });
  }
  const auto file = parse_track_file(rest);
  if (!file) {
    respond(not_found("an on-demand stream has master.m3u8, media and link.svg"));
    return nullptr;
  }
  if (file->kind == TrackFile::Kind::playlist) {
    return with_index(stream, std::move(respond), [track = file->track](const media::DemandIndex& index) {
      return track < index.tracks.size() ? playlist_response(demand_media_playlist(index, track)) : not_found("there is no such track");
    });
  }
  return when_sized(stream, std::move(respond), [this, &stream, file](Respond answer) -> Work {
    // The index says whether there is such a segment, and what it is; it is known already where a player asks.
    const auto steps = std::make_shared<TwoSteps>();
    steps->index = demand_.index(stream, [this, &stream, file, answer, weak = std::weak_ptr{steps}](auto index) {
      if (!index) return answer(not_playable(index.error()));
      const auto& tracks = (*index)->tracks;
      if (file->track >= tracks.size() || (file->kind == TrackFile::Kind::segment && file->segment >= (*index)->segments.size()))
        return answer(not_found("the film has no such part"));
      const auto reply = [answer, kind = tracks[file->track].kind](const std::expected<Piece, std::string>& piece) {
        answer(piece_response(piece, kind));
      };
      const auto self = weak.lock();
      if (!self) return;
      self->piece = file->kind == TrackFile::Kind::init ? demand_.init(stream, file->track, reply)
                                                        : demand_.segment(stream, file->track, file->segment, reply);
    });
    return steps;
  });
}

// Reading a film's index takes as long as its peers are slow: a client is asked to come again while the session goes on.
Work Router::with_index(Stream& stream, Respond respond, std::function<Response(const media::DemandIndex&)> make) {
  struct Asked {
    Work index;
    Work limit;
    bool answered = false;
  };
  return when_sized(stream, std::move(respond), [this, &stream, make](const Respond& answer) -> Work {
    const auto asked = std::make_shared<Asked>();
    const auto once = [weak = std::weak_ptr{asked}, answer](Response response) {
      const auto self = weak.lock();
      if (self && !std::exchange(self->answered, true)) answer(std::move(response));
    };
    asked->index = demand_.index(stream, [once, make](const std::expected<DemandPool::Index, std::string>& index) {
      once(index ? make(**index) : not_playable(index.error()));
    });
    const auto answered = [weak = std::weak_ptr{asked}] {
      const auto self = weak.lock();
      return !self || self->answered;
    };
    asked->limit = wait_until(io_, nullptr, config_.limits.first_media, answered,
                              [once](bool) { once(try_again("the film's index is still on its way from the other peers")); });
    return asked;
  });
}

// Runs `then` once the stream's size is known, within the time that a stream which just starts is given.
Work Router::when_sized(Stream& stream, Respond respond, std::function<Work(Respond)> then) {
  struct Sized {
    Work wait;
    Work then;
    bool answered = false;
  };
  const auto sized = std::make_shared<Sized>();
  const std::weak_ptr weak{sized};
  const auto once = [weak, respond](Response response) {
    const auto self = weak.lock();
    if (self && !std::exchange(self->answered, true)) respond(std::move(response));
  };
  const auto ready = [&stream] { return stream.content() != nullptr; };
  sized->wait = wait_until(io_, nullptr, config_.limits.first_media, ready, [weak, once, then](bool known) {
    const auto self = weak.lock();
    if (!self) return;
    if (!known) return once(try_again("no peer has told this stream's size yet; it starts as soon as one is reached"));
    self->then = then(once);
  });
  return sized;
}

Response Router::media_bytes(const Request& request, Stream& stream) const {
  media::ContentReader& content = *stream.content();
  const std::uint64_t size = content.size();
  Response response;
  response.content_type = header_safe(stream.mime());
  response.etag = '"' + stream.id() + '"';   // names the content itself
  response.cache_control = "private, no-cache";
  response.headers.emplace_back("Accept-Ranges", "bytes");
  if (request.if_none_match == response.etag) {
    response.status = 304;
    return response;
  }
  if (query_value(request.query, "download")) response.headers.emplace_back("Content-Disposition", attachment(stream.file_name()));
  const bool honour = request.if_range.empty() || request.if_range == response.etag;
  const RangeResult range = parse_range(honour ? std::string_view{request.range} : std::string_view{}, size);
  if (std::holds_alternative<Unsatisfiable>(range)) {
    Response refused = text_response(416, "the range lies outside the " + std::to_string(size) + " bytes that there are");
    refused.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return refused;
  }
  ByteRange span{0, size};
  if (const auto* part = std::get_if<ByteRange>(&range)) {
    span = *part;
    response.status = 206;
    response.headers.emplace_back("Content-Range", "bytes " + std::to_string(span.first) + '-' +
                                                       std::to_string(span.first + span.length - 1) + '/' + std::to_string(size));
  }
  response.body = StreamBody{make_content_source(content, span, config_.limits), span.length};
  return response;
}

}  // namespace runnel::player
