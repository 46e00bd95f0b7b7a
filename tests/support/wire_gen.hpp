// Arbitrary messages that a format can carry, for property tests.
#pragma once
#include <rapidcheck.h>

#include <deque>

#include "core/wire/chunk_spec.hpp"
#include "core/wire/message.hpp"

namespace runnel::test {

inline wire::Format arbitrary_format() {
  wire::Format format;
  format.addressing = static_cast<wire::AddressingMethod>(*rc::gen::inRange(0, 5));
  format.hash_size = *rc::gen::element<std::size_t>(20, 28, 32, 48, 64);
  format.signature_size = *rc::gen::element<std::size_t>(64, 96, 256);
  const bool fixed = format.addressing == wire::AddressingMethod::bytes64 || *rc::gen::arbitrary<bool>();
  format.chunk_size = fixed ? *rc::gen::inRange<std::uint32_t>(1, 2000) : wire::kVariableChunkSize;
  return format;
}

// The bytes that messages point to live here.
class MessageSource {
 public:
  explicit MessageSource(const wire::Format& format) : format_(format) {}

  wire::Message next() {
    switch (*rc::gen::inRange(0, 14)) {
      case 0: return wire::Ack{range(), wire::DelaySample{*rc::gen::arbitrary<std::uint64_t>()}};
      case 1: return wire::Have{range()};
      case 2: return wire::Integrity{subtree(), crypto::Digest{bytes(format_.hash_size)}};
      case 3: return wire::PexResV4{peer({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})};
      case 4: return wire::PexReq{};
      case 5:
        return wire::SignedIntegrity{subtree(), wire::NtpTimestamp{*rc::gen::arbitrary<std::uint64_t>()}, bytes(format_.signature_size)};
      case 6: return wire::Request{range()};
      case 7: return wire::Cancel{range()};
      case 8: return wire::Choke{};
      case 9: return wire::Unchoke{};
      case 10: return wire::PexResV6{peer({0x20, 0x01})};
      case 11: return wire::PexResCert{bytes(*rc::gen::inRange<std::size_t>(0, 300))};
      case 12: return wire::Extension{*rc::gen::arbitrary<std::uint16_t>(), bytes(*rc::gen::inRange<std::size_t>(0, 300))};
      default: return handshake();
    }
  }

  // What goes last in its datagram.
  wire::Message chunk() {
    const wire::Data chunk = data();
    if (*rc::gen::arbitrary<bool>()) return chunk;
    return wire::Pushed{chunk.chunk, static_cast<std::uint32_t>(chunk.timestamp.value()), chunk.payload};
  }
  wire::Data data() {
    const std::size_t longest = std::min<std::size_t>(format_.chunk_size, 1500);
    return {range().first, wire::NodeTimestamp{*rc::gen::arbitrary<std::uint64_t>()},
            bytes(*rc::gen::inRange<std::size_t>(1, longest + 1))};
  }

  wire::Handshake handshake() {
    wire::Options o;
    const auto maybe = [] { return *rc::gen::arbitrary<bool>(); };
    if (maybe()) o.version = *rc::gen::inRange<std::uint8_t>(1, 255);
    const wire::ChannelId source{*rc::gen::arbitrary<std::uint32_t>()};
    if (source == wire::kNoChannel) return {source, o};
    if (maybe()) o.minimum_version = *rc::gen::inRange<std::uint8_t>(1, 255);
    if (maybe()) o.swarm_id = bytes(*rc::gen::inRange<std::size_t>(1, 200));
    if (maybe()) o.integrity = static_cast<wire::IntegrityMethod>(*rc::gen::inRange(0, 4));
    if (maybe()) o.hash = static_cast<crypto::HashAlgorithm>(*rc::gen::inRange(0, 5));
    if (maybe()) o.signature = static_cast<crypto::SignatureAlgorithm>(*rc::gen::element(5, 8, 13, 14, 15));
    if (maybe()) o.addressing = static_cast<wire::AddressingMethod>(*rc::gen::inRange(0, 5));
    if (o.addressing && maybe()) o.discard_window = *rc::gen::arbitrary<std::uint32_t>();
    if (o.discard_window == 0xffff'ffff || (o.addressing && maybe())) o.discard_window = wire::kKeepsEverything;
    if (maybe()) o.supported_messages = wire::MessageSet::from_bitmap(bytes(*rc::gen::inRange<std::size_t>(0, 33)));
    if (maybe()) o.chunk_size = *rc::gen::inRange<std::uint32_t>(1, 5000);
    return {source, o};
  }

 private:
  base::ByteView bytes(std::size_t size) {
    base::Bytes& kept = kept_.emplace_back(size);
    for (std::byte& b : kept) b = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
    return kept;
  }

  tree::ChunkRange subtree() {
    const unsigned layer = *rc::gen::inRange(0U, 12U);
    return tree::Bin::at(layer, *rc::gen::inRange<std::uint64_t>(0, 1000)).range();
  }

  tree::ChunkRange range() {
    const std::uint64_t first = *rc::gen::inRange<std::uint64_t>(0, 1'000'000);
    const std::uint64_t count = *rc::gen::inRange<std::uint64_t>(1, 1000);
    return wire::expressible_front({tree::ChunkIndex{first}, tree::ChunkIndex{first + count - 1}}, format_);
  }

  base::Endpoint peer(std::array<std::uint8_t, 16> octets) {
    for (std::size_t i = 12; i < 16; ++i) octets[i] = *rc::gen::arbitrary<std::uint8_t>();
    return {base::IpAddress::v6(octets), *rc::gen::arbitrary<std::uint16_t>()};
  }

  wire::Format format_;
  std::deque<base::Bytes> kept_;
};

}  // namespace runnel::test
