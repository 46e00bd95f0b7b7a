#include "media_helper/webvtt.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "media_helper/demand_segment.hpp"

namespace runnel::media_helper {
namespace {

constexpr int kFieldsBeforeText = 8;
constexpr std::int64_t kUnknownDurationUs = 4'000'000;   // a cue whose container does not say how long it stays
constexpr std::int64_t kLateUs = 1'000'000;              // text may lie so much later in the file than the picture it belongs to

std::string_view event_text(std::string_view event) {
  for (int i = 0; i < kFieldsBeforeText; ++i) {
    const std::size_t comma = event.find(',');
    if (comma == std::string_view::npos) return {};
    event.remove_prefix(comma + 1);
  }
  return event;
}

// Bold, italic and underline, kept properly nested.
class Styles {
 public:
  // The tags of an override block: "\i1\b0\an8".
  void apply(std::string_view block, std::string& out) {
    for (std::size_t at = block.find('\\'); at != std::string_view::npos; at = block.find('\\', at + 1)) {
      const std::string_view tag = block.substr(at + 1);
      if (tag.size() < 2 || tag[1] < '0' || tag[1] > '9') continue;
      if (kNames.find(tag[0]) != std::string_view::npos) set(tag[0], tag[1] != '0', out);
    }
  }
  void close(std::string& out) {
    while (!open_.empty()) pop(out);
  }

 private:
  static constexpr std::string_view kNames = "biu";
  void set(char name, bool on, std::string& out) {
    const std::size_t at = open_.find(name);
    if (on == (at != std::string::npos)) return;
    if (on) {
      push(name, out);
      return;
    }
    const std::string above = open_.substr(at + 1);
    while (open_.size() > at) pop(out);
    for (const char again : above) push(again, out);
  }
  void push(char name, std::string& out) {
    open_ += name;
    out += {'<', name, '>'};
  }
  void pop(std::string& out) {
    out += {'<', '/', open_.back(), '>'};
    open_.pop_back();
  }
  std::string open_;
};

void append_escaped(char c, std::string& out) {
  switch (c) {
    case '&': out += "&amp;"; break;
    case '<': out += "&lt;"; break;
    case '>': out += "&gt;"; break;
    case '\r': break;
    case '\n':   // an empty line would end the cue
      if (!out.empty() && out.back() != '\n') out += '\n';
      break;
    default: out += c; break;
  }
}

struct FreeSubtitle {
  void operator()(AVSubtitle* s) const { avsubtitle_free(s); }
};

Codec open_decoder(const StreamFacts& stream) {
  const AVCodec* codec = avcodec_find_decoder(stream.parameters->codec_id);
  Codec decoder{avcodec_alloc_context3(codec)};
  if (codec == nullptr || avcodec_parameters_to_context(decoder.get(), stream.parameters.get()) < 0) return nullptr;
  decoder->pkt_timebase = stream.time_base;
  if (avcodec_open2(decoder.get(), codec, nullptr) < 0) return nullptr;
  return decoder;
}

std::string decode_text(AVCodecContext& decoder, const AVPacket& packet) {
  AVSubtitle subtitle{};
  int got = 0;
  if (avcodec_decode_subtitle2(&decoder, &subtitle, &got, const_cast<AVPacket*>(&packet)) < 0 || got == 0) return {};
  const std::unique_ptr<AVSubtitle, FreeSubtitle> owner{&subtitle};
  std::string text;
  for (unsigned i = 0; i < subtitle.num_rects; ++i) {
    if (subtitle.rects[i]->ass == nullptr) continue;
    const std::string one = vtt_text(subtitle.rects[i]->ass);
    if (!text.empty() && !one.empty()) text += '\n';
    text += one;
  }
  return text.size() <= kMaxCueBytes ? text : std::string{};
}

}  // namespace

std::string vtt_time(std::int64_t time_us) {
  const long long ms = std::max<std::int64_t>(time_us, 0) / 1000;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%02lld:%02lld:%02lld.%03lld", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
  return text.data();
}

std::string vtt_text(std::string_view ass_event) {
  std::string_view text = event_text(ass_event);
  std::string out;
  Styles styles;
  while (!text.empty()) {
    if (text[0] == '{') {
      const std::size_t end = text.find('}');
      if (end != std::string_view::npos) {
        styles.apply(text.substr(1, end - 1), out);
        text.remove_prefix(end + 1);
        continue;
      }
    }
    if (text[0] == '\\' && text.size() >= 2 && (text[1] == 'N' || text[1] == 'n' || text[1] == 'h')) {
      append_escaped(text[1] == 'h' ? ' ' : '\n', out);
      text.remove_prefix(2);
      continue;
    }
    append_escaped(text[0], out);
    text.remove_prefix(1);
  }
  styles.close(out);
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

std::expected<base::Bytes, DemandError> cut_text(FilmReader& reader, int stream, std::size_t number) {
  const StreamFacts& facts = reader.stream(stream);
  const Codec decoder = open_decoder(facts);
  if (!decoder) return std::unexpected{DemandError::corrupt};
  if (const auto gone = reader.go_to(number, stream); !gone) return std::unexpected{gone.error()};
  const std::int64_t from = reader.film().cuts[number].time_us;
  const std::int64_t to = reader.film().end_us(number);
  std::string document = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n";
  const Packet packet = make_packet();
  for (std::size_t cues = 0; cues < kMaxCuesPerSegment;) {
    const auto more = reader.next(*packet);
    if (!more) return std::unexpected{more.error()};
    if (!*more) break;
    const auto time = reader.time_us(*packet);
    if (!time) continue;
    if (packet->stream_index != stream) {
      if (packet->stream_index == reader.film().reference && to < *time - kLateUs) break;
      continue;
    }
    if (*time >= to) break;
    const std::int64_t length = packet->duration > 0 ? av_rescale_q(packet->duration, facts.time_base, kMicroseconds) : kUnknownDurationUs;
    if (*time + length <= from) continue;   // one that began before and still shows is told again
    const std::string text = decode_text(*decoder, *packet);
    if (text.empty()) continue;
    document += "\n" + vtt_time(*time) + " --> " + vtt_time(*time + length) + "\n" + text + "\n";
    ++cues;
  }
  return base::to_bytes(base::as_bytes(document));
}

}  // namespace runnel::media_helper
