#include "media_helper/rtmp_chunk.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace runnel::media_helper {
namespace {

constexpr std::uint32_t kExtendedMark = 0xff'ffff;  // 5.3.1.3
constexpr std::size_t kExtendedBytes = 4;

std::optional<std::uint32_t> read_u24(base::Reader& reader) {
  const auto bytes = reader.read_view(3);
  if (!bytes) return std::nullopt;
  return std::to_integer<std::uint32_t>((*bytes)[0]) << 16 | std::to_integer<std::uint32_t>((*bytes)[1]) << 8 |
         std::to_integer<std::uint32_t>((*bytes)[2]);
}

void write_u24(base::Writer& writer, std::uint32_t value) {
  writer.write(static_cast<std::uint8_t>(value >> 16));
  writer.write(static_cast<std::uint16_t>(value));
}

// The one little-endian field of RTMP (5.3.1.2.5).
std::uint32_t swapped(std::uint32_t value) { return __builtin_bswap32(value); }

// 5.3.1.1: chunk stream ids 2 to 63 in the first byte, 64 to 319 in the second, up to 65599 in the second and third.
std::optional<std::uint32_t> read_chunk_stream(base::Reader& reader, std::uint8_t low_bits) {
  if (low_bits >= 2) return low_bits;
  const auto second = reader.read<std::uint8_t>();
  if (!second) return std::nullopt;
  if (low_bits == 0) return 64U + *second;
  const auto third = reader.read<std::uint8_t>();
  if (!third) return std::nullopt;
  return 64U + *second + 256U * *third;
}

// Whether the header of a type 3 chunk goes on with `extended`: encoders differ, and a body that begins with just these four bytes
// is unlikely. nullopt: too few bytes to tell.
std::optional<bool> repeats_extended(base::ByteView rest, std::uint32_t extended) {
  std::array<std::byte, kExtendedBytes> expected{};
  base::store_big_endian(expected.data(), extended);
  const std::size_t have = std::min(rest.size(), expected.size());
  if (!std::equal(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(have), expected.begin())) return false;
  if (have < expected.size()) return std::nullopt;
  return true;
}

}  // namespace

std::optional<RtmpChunkReader::Header> RtmpChunkReader::parse_header() const {
  const base::ByteView bytes = base::ByteView{input_}.subspan(input_used_bytes_);
  base::Reader reader{bytes};
  Header header;
  const auto first = reader.read<std::uint8_t>();
  if (!first) return std::nullopt;
  header.format = *first >> 6;
  const auto chunk_stream = read_chunk_stream(reader, *first & 0x3fU);
  if (!chunk_stream) return std::nullopt;
  header.chunk_stream = *chunk_stream;

  if (header.format == 3) {
    const auto known = streams_.find(header.chunk_stream);
    if (known != streams_.end() && known->second.extended) {
      const auto repeats = repeats_extended(reader.rest(), *known->second.extended);
      if (!repeats) return std::nullopt;
      if (*repeats) static_cast<void>(reader.read_view(kExtendedBytes));
    }
    header.size_bytes = bytes.size() - reader.remaining();
    return header;
  }

  const auto time = read_u24(reader);
  if (!time) return std::nullopt;
  header.time_ms = *time;
  if (header.format <= 1) {
    const auto length = read_u24(reader);
    const auto type = reader.read<std::uint8_t>();
    if (!length || !type) return std::nullopt;
    header.length_bytes = *length;
    header.type = *type;
  }
  if (header.format == 0) {
    const auto stream_id = reader.read<std::uint32_t>();
    if (!stream_id) return std::nullopt;
    header.stream_id = swapped(*stream_id);
  }
  if (*time == kExtendedMark) {
    header.extended = reader.read<std::uint32_t>();
    if (!header.extended) return std::nullopt;
    header.time_ms = *header.extended;
  }
  header.size_bytes = bytes.size() - reader.remaining();
  return header;
}

std::expected<void, RtmpFault> RtmpChunkReader::begin_chunk(const Header& header) {
  const auto known = streams_.find(header.chunk_stream);
  // Only a type 0 header stands for itself.
  if (known == streams_.end() && header.format != 0) return std::unexpected(RtmpFault::bad_chunk);
  if (known == streams_.end() && streams_.size() >= kMaxRtmpChunkStreams) return std::unexpected(RtmpFault::too_many_streams);
  Stream& stream = known == streams_.end() ? streams_[header.chunk_stream] : known->second;

  // Within a message only type 3 goes on with it; another header means that the encoder gave the message up.
  if (stream.in_message && header.format != 3) abort_message(header.chunk_stream);
  if (header.format <= 1) {
    stream.length_bytes = header.length_bytes;
    stream.type = header.type;
  }
  if (header.format == 0) stream.stream_id = header.stream_id;
  if (header.format <= 2) {
    stream.delta_ms = header.time_ms;
    stream.extended = header.extended;
  }
  if (!stream.in_message) {
    stream.in_message = true;
    stream.timestamp_ms = header.format == 0 ? header.time_ms : stream.timestamp_ms + stream.delta_ms;
    if (stream.length_bytes > limits_.unfinished_bytes) return std::unexpected(RtmpFault::message_too_large);
  }
  current_ = &stream;
  chunk_left_bytes_ = std::min(chunk_size_, stream.length_bytes - static_cast<std::uint32_t>(stream.body.size()));
  return {};
}

void RtmpChunkReader::append(base::ByteView bytes) {
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(input_used_bytes_));
  input_used_bytes_ = 0;
  input_.insert(input_.end(), bytes.begin(), bytes.end());
}

void RtmpChunkReader::take_body() {
  const base::ByteView rest = base::ByteView{input_}.subspan(input_used_bytes_);
  const base::ByteView part = rest.first(std::min<std::size_t>(rest.size(), chunk_left_bytes_));
  current_->body.insert(current_->body.end(), part.begin(), part.end());
  input_used_bytes_ += part.size();
  chunk_left_bytes_ -= static_cast<std::uint32_t>(part.size());
  unfinished_bytes_ += part.size();
}

std::optional<RtmpMessage> RtmpChunkReader::finish_message() {
  Stream& stream = *current_;
  if (stream.body.size() < stream.length_bytes) return std::nullopt;
  unfinished_bytes_ -= stream.body.size();
  stream.in_message = false;
  return RtmpMessage{stream.type, stream.timestamp_ms, stream.stream_id, std::exchange(stream.body, {})};
}

void RtmpChunkReader::abort_message(std::uint32_t chunk_stream) {
  const auto found = streams_.find(chunk_stream);
  if (found == streams_.end()) return;
  unfinished_bytes_ -= found->second.body.size();
  found->second.body = {};
  found->second.in_message = false;
}

std::expected<void, RtmpFault> RtmpChunkReader::obey_control(const RtmpMessage& message) {
  base::Reader reader{message.body};
  const auto value = reader.read<std::uint32_t>();
  if (!value) return std::unexpected(RtmpFault::bad_chunk);
  if (message.type == kRtmpAbort) {
    abort_message(*value);
    return {};
  }
  const std::uint32_t size = *value & 0x7fff'ffffU;  // the first bit is reserved (5.4.1)
  if (size == 0) return std::unexpected(RtmpFault::bad_chunk);
  chunk_size_ = std::min(size, kMaxRtmpChunkSize);
  return {};
}

std::expected<std::optional<RtmpMessage>, RtmpFault> RtmpChunkReader::next() {
  while (true) {
    if (current_ == nullptr) {
      const auto header = parse_header();
      if (!header) return std::nullopt;
      input_used_bytes_ += header->size_bytes;
      if (auto begun = begin_chunk(*header); !begun) return std::unexpected(begun.error());
    }
    take_body();
    if (unfinished_bytes_ > limits_.unfinished_bytes) return std::unexpected(RtmpFault::message_too_large);
    if (chunk_left_bytes_ > 0) return std::nullopt;
    auto message = finish_message();
    current_ = nullptr;
    if (!message) continue;
    if (message->type != kRtmpSetChunkSize && message->type != kRtmpAbort) return message;
    if (auto obeyed = obey_control(*message); !obeyed) return std::unexpected(obeyed.error());
  }
}

void RtmpChunkWriter::write(std::uint8_t chunk_stream, const RtmpMessage& message, base::Bytes& out) const {
  base::Writer writer{out};
  const bool extended = message.timestamp_ms >= kExtendedMark;
  writer.write(chunk_stream);  // type 0
  write_u24(writer, extended ? kExtendedMark : message.timestamp_ms);
  write_u24(writer, static_cast<std::uint32_t>(message.body.size()));
  writer.write(message.type);
  writer.write(swapped(message.stream_id));
  if (extended) writer.write(message.timestamp_ms);
  base::ByteView rest{message.body};
  while (true) {
    const base::ByteView part = rest.first(std::min<std::size_t>(rest.size(), chunk_size_));
    writer.write_view(part);
    rest = rest.subspan(part.size());
    if (rest.empty()) return;
    writer.write(static_cast<std::uint8_t>(0xc0U | chunk_stream));
    if (extended) writer.write(message.timestamp_ms);
  }
}

}  // namespace runnel::media_helper
