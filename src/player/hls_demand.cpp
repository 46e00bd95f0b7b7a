#include "player/hls_demand.hpp"

#include <algorithm>
#include <set>

#include "player/hls_text.hpp"

namespace runnel::player {
namespace {

using media::DemandIndex;
using media::TrackInfo;
using media::TrackKind;

constexpr std::uint64_t kUnknownBandwidth = 1'000'000;

std::string playlist_name(std::size_t track) { return "track-" + std::to_string(track) + ".m3u8"; }

std::string_view group_word(TrackKind kind) {
  switch (kind) {
    case TrackKind::video: return "Video";
    case TrackKind::audio: return "Audio";
    case TrackKind::subtitle: return "Subtitles";
  }
  return "";
}

// Names must differ within a group (4.3.4.1.1).
std::string rendition_name(const TrackInfo& track, std::set<std::string>& taken) {
  std::string name = !track.title.empty() ? track.title : track.language;
  if (name.empty()) name = std::string{group_word(track.kind)} + ' ' + std::to_string(track.number + 1);
  const std::string plain = name;
  for (unsigned copy = 2; !taken.insert(name).second; ++copy) name = plain + " (" + std::to_string(copy) + ')';
  return name;
}

void add_group(std::string& text, const DemandIndex& index, TrackKind kind, std::string_view type, std::string_view group) {
  std::set<std::string> taken;
  bool first = true;
  for (std::size_t i = 0; i < index.tracks.size(); ++i) {
    const TrackInfo& track = index.tracks[i];
    if (track.kind != kind) continue;
    text.append("#EXT-X-MEDIA:TYPE=").append(type).append(",GROUP-ID=\"").append(group).append("\",NAME=");
    text += quoted(rendition_name(track, taken));
    if (!track.language.empty()) text += ",LANGUAGE=" + quoted(track.language);
    // A film's first sound track is its own; subtitles are shown when asked for.
    text += kind == TrackKind::audio && first ? ",DEFAULT=YES,AUTOSELECT=YES" : ",DEFAULT=NO,AUTOSELECT=YES";
    if (track.channels > 0) text += ",CHANNELS=\"" + std::to_string(track.channels) + '"';
    text += ",URI=\"" + playlist_name(i) + "\"\n";
    first = false;
  }
}

std::uint64_t average_bandwidth(const DemandIndex& index, std::uint64_t content_bytes) {
  if (index.duration.count() <= 0) return kUnknownBandwidth;
  const double bits = static_cast<double>(content_bytes) * 8e6 / static_cast<double>(index.duration.count());
  return std::max<std::uint64_t>(static_cast<std::uint64_t>(std::min(bits, 1e12)), 1);
}

std::size_t count(const DemandIndex& index, TrackKind kind) {
  return static_cast<std::size_t>(std::ranges::count(index.tracks, kind, &TrackInfo::kind));
}

// A variant is one video track (or the first audio track of a film without picture) with all the audio tracks.
void add_variant(std::string& text, const DemandIndex& index, std::size_t main, std::uint64_t content_bytes) {
  std::vector<TrackInfo> played{index.tracks[main]};
  std::uint64_t audio_rate = 0;
  for (const TrackInfo& track : index.tracks) {
    if (track.kind != TrackKind::audio) continue;
    played.push_back(track);
    audio_rate = std::max(audio_rate, track.bit_rate);
  }
  const TrackInfo& lead = played.front();
  const bool video = lead.kind == TrackKind::video;
  const std::uint64_t known = lead.bit_rate + (video ? audio_rate : 0);
  text += "#EXT-X-STREAM-INF:BANDWIDTH=" + std::to_string(lead.bit_rate > 0 ? known : average_bandwidth(index, content_bytes));
  text += codecs_attribute(played);
  if (video) text += picture_attributes(lead);
  if (count(index, TrackKind::audio) > (video ? 0U : 1U)) text += ",AUDIO=\"audio\"";
  if (count(index, TrackKind::subtitle) > 0) text += ",SUBTITLES=\"subtitles\"";
  text += '\n' + playlist_name(main) + '\n';
}

}  // namespace

std::string demand_master_playlist(const DemandIndex& index, std::uint64_t content_bytes) {
  const bool video = count(index, TrackKind::video) > 0;
  std::string text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n";
  if (count(index, TrackKind::audio) > (video ? 0U : 1U)) add_group(text, index, TrackKind::audio, "AUDIO", "audio");
  add_group(text, index, TrackKind::subtitle, "SUBTITLES", "subtitles");
  for (std::size_t i = 0; i < index.tracks.size(); ++i) {
    if (index.tracks[i].kind != (video ? TrackKind::video : TrackKind::audio)) continue;
    add_variant(text, index, i, content_bytes);
    if (!video) break;
  }
  return text;
}

std::string demand_media_playlist(const DemandIndex& index, std::uint32_t track) {
  const bool subtitle = index.tracks[track].kind == TrackKind::subtitle;
  const std::string stem = "track-" + std::to_string(track) + '-';
  base::Duration longest{};
  for (const auto& segment : index.segments) longest = std::max(longest, segment.duration);
  std::string text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n";
  text += "#EXT-X-TARGETDURATION:" + std::to_string(target_seconds(longest)) + "\n#EXT-X-MEDIA-SEQUENCE:0\n";
  if (!subtitle) text += "#EXT-X-MAP:URI=\"" + stem + "init.mp4\"\n";
  for (std::size_t i = 0; i < index.segments.size(); ++i) {
    text += "#EXTINF:" + seconds_text(index.segments[i].duration) + ",\n" + stem + std::to_string(i) + (subtitle ? ".vtt" : ".m4s") + '\n';
  }
  return text + "#EXT-X-ENDLIST\n";
}

}  // namespace runnel::player
