#include "media/helper_messages.hpp"

#include <bit>
#include <cmath>
#include <concepts>
#include <limits>

#include "base/check.hpp"
#include "media/printable.hpp"

namespace runnel::media::helper {
namespace {

// Encoder and Decoder have the same calls, so that one list of fields per message serves both and they cannot differ.
// Each call gives false once the bytes do not fit; the Encoder's always gives true.
class Encoder {
 public:
  explicit Encoder(base::Bytes& out) : writer_(out) {}

  template <std::unsigned_integral T>
  bool number(const T& value) {
    writer_.write(value);
    return true;
  }
  bool flag(const bool& value) { return number(static_cast<std::uint8_t>(value)); }
  bool real(const double& value) { return number(std::bit_cast<std::uint64_t>(value)); }
  bool kind(const TrackKind& value) { return number(static_cast<std::uint8_t>(value)); }
  bool span(const base::Duration& value) { return number(static_cast<std::uint64_t>(value.count())); }
  bool wall(const base::WallTime& value) { return span(value.time_since_epoch()); }
  bool text(const std::string& value, std::size_t limit) {
    std::size_t size = std::min(value.size(), limit);
    while (size < value.size() && size > 0 && (static_cast<unsigned char>(value[size]) & 0xC0U) == 0x80U) --size;
    return blob(base::as_bytes(std::string_view{value}.substr(0, size)));
  }
  // Cut when too long: the helper then finds no such file, and says so.
  bool path(const std::string& value, std::size_t limit) { return blob(base::as_bytes(std::string_view{value}.substr(0, limit))); }
  bool bytes(const base::Bytes& value, std::size_t = kMaxMessage) { return blob(value); }
  template <class T, class F>
  bool list(const std::vector<T>& values, std::size_t limit, F&& each) {
    base::check(values.size() <= limit, "a list in a helper message is within its limit");
    number(static_cast<std::uint32_t>(values.size()));
    for (const T& value : values) each(value);
    return true;
  }
  template <class T, class F>
  bool optional(const std::optional<T>& value, F&& each) {
    flag(value.has_value());
    return !value || each(*value);
  }
  template <class T, class F>
  bool result(const Result<T>& value, F&& each) {
    flag(value.has_value());
    return value ? each(*value) : text(value.error(), kMaxText);
  }

 private:
  bool blob(base::ByteView value) {
    base::check(value.size() <= kMaxMessage, "a helper message is within its limit");
    number(static_cast<std::uint32_t>(value.size()));
    writer_.write_view(value);
    return true;
  }
  base::Writer writer_;
};

class Decoder {
 public:
  explicit Decoder(base::ByteView in) : reader_(in) {}
  [[nodiscard]] MessageError error() const { return error_; }
  [[nodiscard]] bool empty() const { return reader_.empty(); }

  template <std::unsigned_integral T>
  bool number(T& value) {
    const auto got = reader_.read<T>();
    if (!got) return fail(MessageError::truncated);
    value = *got;
    return true;
  }
  bool flag(bool& value) {
    std::uint8_t raw = 0;
    if (!number(raw)) return false;
    if (raw > 1) return fail(MessageError::out_of_bounds);
    value = raw == 1;
    return true;
  }
  bool real(double& value) {
    std::uint64_t raw = 0;
    if (!number(raw)) return false;
    value = std::bit_cast<double>(raw);
    return std::isfinite(value) || fail(MessageError::out_of_bounds);
  }
  bool kind(TrackKind& value) {
    std::uint8_t raw = 0;
    if (!number(raw)) return false;
    if (raw > static_cast<std::uint8_t>(TrackKind::subtitle)) return fail(MessageError::out_of_bounds);
    value = static_cast<TrackKind>(raw);
    return true;
  }
  bool span(base::Duration& value) { return signed_span(value, -kMaxMediaTime, kMaxMediaTime); }
  bool wall(base::WallTime& value) {
    base::Duration since{};
    if (!signed_span(since, base::Duration{0}, kMaxWallTime)) return false;
    value = base::WallTime{since};
    return true;
  }
  // For people: whatever the helper took it from, it goes to terminals, JSON and pages.
  bool text(std::string& value, std::size_t limit) {
    if (!path(value, limit)) return false;
    make_printable(value);
    return true;
  }
  // Byte for byte.
  bool path(std::string& value, std::size_t limit) {
    base::ByteView view;
    if (!blob(view, limit)) return false;
    value = std::string{base::as_text(view)};
    return true;
  }
  bool bytes(base::Bytes& value, std::size_t limit = kMaxMessage) {
    base::ByteView view;
    if (!blob(view, limit)) return false;
    value = base::to_bytes(view);
    return true;
  }
  template <class T, class F>
  bool list(std::vector<T>& values, std::size_t limit, F&& each) {
    std::uint32_t count = 0;
    if (!number(count)) return false;
    if (count > limit) return fail(MessageError::out_of_bounds);
    for (std::uint32_t i = 0; i < count; ++i) {  // grows with the bytes that are there, not with what the count claims
      if (!each(values.emplace_back())) return false;
    }
    return true;
  }
  template <class T, class F>
  bool optional(std::optional<T>& value, F&& each) {
    bool there = false;
    if (!flag(there)) return false;
    return !there || each(value.emplace());
  }
  template <class T, class F>
  bool result(Result<T>& value, F&& each) {
    bool good = false;
    if (!flag(good)) return false;
    if (good) return each(value.emplace());
    std::string reason;
    if (!text(reason, kMaxText)) return false;
    value = std::unexpected{std::move(reason)};
    return true;
  }

 private:
  bool fail(MessageError error) {
    error_ = error;
    return false;
  }
  bool signed_span(base::Duration& value, base::Duration least, base::Duration most) {
    std::uint64_t raw = 0;
    if (!number(raw)) return false;
    value = base::Duration{static_cast<base::Duration::rep>(raw)};
    return (value >= least && value <= most) || fail(MessageError::out_of_bounds);
  }
  bool blob(base::ByteView& view, std::size_t limit) {
    std::uint32_t size = 0;
    if (!number(size)) return false;
    if (size > limit) return fail(MessageError::out_of_bounds);
    const auto got = reader_.read_view(size);
    if (!got) return fail(MessageError::truncated);
    view = *got;
    return true;
  }
  base::Reader reader_;
  MessageError error_ = MessageError::truncated;
};

// M or const M.
template <class T, class M>
concept Some = std::same_as<std::remove_const_t<T>, M>;

bool fields(auto& a, Some<TrackInfo> auto& t) {
  return a.kind(t.kind) && a.number(t.number) && a.text(t.codec, kMaxShortText) && a.text(t.codecs, kMaxShortText) &&
         a.text(t.language, kMaxShortText) && a.text(t.title, kMaxText) && a.number(t.width) && a.number(t.height) &&
         a.real(t.frame_rate) && a.number(t.sample_rate) && a.number(t.channels) && a.number(t.bit_rate) && a.flag(t.transcoded);
}
bool tracks(auto& a, auto& list) {
  return a.list(list, kMaxTracks, [&](auto& t) { return fields(a, t); });
}
bool fields(auto& a, Some<SegmentInfo> auto& s) { return a.span(s.start) && a.span(s.duration); }
bool fields(auto& a, Some<DemandIndex> auto& i) {
  return a.span(i.duration) && tracks(a, i.tracks) && a.list(i.segments, kMaxSegments, [&](auto& s) { return fields(a, s); });
}

bool fields(auto&, Some<Heartbeat> auto&) { return true; }
bool fields(auto& a, Some<StartIngest> auto& m) {
  return a.path(m.source, kMaxPath) && a.flag(m.loop) && a.list(m.ladder, kMaxLadder, [&](auto& height) { return a.number(height); }) &&
         a.number(m.first_epoch);
}
bool fields(auto&, Some<StartTs> auto&) { return true; }
bool fields(auto& a, Some<StartDemand> auto& m) {
  return a.number(m.size) && a.text(m.name, kMaxText) && a.optional(m.scanned_index, [&](auto& bytes) { return a.bytes(bytes); });
}
bool fields(auto& a, Some<StartScan> auto& m) { return a.path(m.path, kMaxPath); }
bool fields(auto& a, Some<StartFollow> auto& m) { return a.number(m.first_epoch); }
bool fields(auto& a, Some<Listening> auto& m) { return a.text(m.url, kMaxText); }
bool fields(auto& a, Some<Init> auto& m) { return a.number(m.epoch) && tracks(a, m.tracks) && a.bytes(m.bytes); }
bool fields(auto& a, Some<Chunk> auto& m) {
  return a.number(m.epoch) && a.flag(m.independent) && a.span(m.media_time) && a.span(m.duration) && a.wall(m.captured) && a.bytes(m.bytes);
}
bool fields(auto&, Some<End> auto&) { return true; }
bool fields(auto& a, Some<Error> auto& m) { return a.text(m.message, kMaxText); }
bool fields(auto& a, Some<Notice> auto& m) { return a.text(m.line, kMaxText); }
bool fields(auto& a, Some<FeedInit> auto& m) { return a.number(m.epoch) && a.bytes(m.bytes); }
bool fields(auto& a, Some<FeedChunk> auto& m) { return a.number(m.epoch) && a.flag(m.independent) && a.bytes(m.bytes); }
bool fields(auto& a, Some<Packets> auto& m) { return a.flag(m.starts_independent) && a.bytes(m.bytes); }
bool fields(auto& a, Some<Read> auto& m) { return a.number(m.id) && a.number(m.offset) && a.number(m.length); }
bool fields(auto& a, Some<CancelRead> auto& m) { return a.number(m.id); }
bool fields(auto& a, Some<ReadReply> auto& m) {
  return a.number(m.id) && a.result(m.bytes, [&](auto& bytes) { return a.bytes(bytes, kMaxRead); });
}
bool fields(auto& a, Some<GetIndex> auto& m) { return a.number(m.id); }
bool fields(auto& a, Some<IndexReply> auto& m) {
  return a.number(m.id) && a.result(m.index, [&](auto& index) { return fields(a, index); });
}
bool fields(auto& a, Some<GetInit> auto& m) { return a.number(m.id) && a.number(m.track); }
bool fields(auto& a, Some<GetSegment> auto& m) { return a.number(m.id) && a.number(m.track) && a.number(m.number); }
bool fields(auto& a, Some<SegmentReply> auto& m) {
  return a.number(m.id) && a.result(m.bytes, [&](auto& bytes) { return a.bytes(bytes); });
}
bool fields(auto& a, Some<Scan> auto& m) {
  return a.flag(m.is_media) && a.text(m.mime, kMaxShortText) && a.span(m.duration) && tracks(a, m.tracks) &&
         a.optional(m.index, [&](auto& bytes) { return a.bytes(bytes); }) && a.text(m.reason, kMaxText);
}
bool fields(auto& a, Some<ScanReply> auto& m) {
  return a.result(m.result, [&](auto& scan) { return fields(a, scan); });
}

// What the field list cannot say.
template <class M>
bool holds(const M&) {
  return true;
}
bool holds(const Read& m) { return m.length >= 1 && m.length <= kMaxRead; }
bool holds(const Chunk& m) { return m.duration >= base::Duration{0}; }
bool holds(const Packets& m) { return m.bytes.size() % 188 == 0; }

template <std::size_t I = 0>
std::expected<Message, MessageError> decode_as(std::size_t type, Decoder& in) {
  if constexpr (I < std::variant_size_v<Message>) {
    if (type != I) return decode_as<I + 1>(type, in);
    std::variant_alternative_t<I, Message> m;
    if (!fields(in, m)) return std::unexpected{in.error()};
    if (!in.empty()) return std::unexpected{MessageError::left_over};
    if (!holds(m)) return std::unexpected{MessageError::out_of_bounds};
    return Message{std::in_place_index<I>, std::move(m)};
  } else {
    return std::unexpected{MessageError::unknown_type};
  }
}

}  // namespace

std::string_view message(MessageError error) {
  switch (error) {
    case MessageError::too_long: return "a message is longer than allowed";
    case MessageError::unknown_type: return "a message is of an unknown type";
    case MessageError::truncated: return "a message ends too early";
    case MessageError::out_of_bounds: return "a value in a message is out of bounds";
    case MessageError::left_over: return "a message has bytes left over";
  }
  return "";
}

base::Bytes encode(const Message& m) {
  base::Bytes out(kFrameHeaderBytes + 1);
  out[kFrameHeaderBytes] = static_cast<std::byte>(m.index());
  Encoder encoder{out};
  std::visit([&](const auto& it) { fields(encoder, it); }, m);
  const std::size_t size = out.size() - kFrameHeaderBytes;
  base::check(size <= kMaxMessage, "a helper message is within its limit");
  base::store_big_endian(out.data(), static_cast<std::uint32_t>(size));
  return out;
}

std::expected<std::size_t, MessageError> body_size(base::ByteView header) {
  base::Reader reader{header};
  const auto size = reader.read<std::uint32_t>();
  if (!size) return std::unexpected{MessageError::truncated};
  if (*size == 0 || *size > kMaxMessage) return std::unexpected{MessageError::too_long};
  return *size;
}

std::expected<Message, MessageError> decode(base::ByteView body) {
  if (body.empty()) return std::unexpected{MessageError::truncated};
  Decoder decoder{body.subspan(1)};
  return decode_as(std::to_integer<std::size_t>(body[0]), decoder);
}

}  // namespace runnel::media::helper
