#include "core/wire/decoder.hpp"

#include <algorithm>
#include <array>

#include "core/wire/chunk_spec.hpp"
#include "core/wire/options.hpp"

namespace runnel::wire {
namespace {

using Result = std::expected<Message, Error>;

Result fail(Error error) { return std::unexpected(error); }

// RFC 7574 5.4: what hashes and signatures name is one node of the tree, written as the leaves below it.
bool is_subtree(tree::ChunkRange range) { return tree::Bin::of(range).has_value(); }

template <std::size_t N>
std::array<std::uint8_t, N> octets(base::ByteView bytes) {
  std::array<std::uint8_t, N> out{};
  std::ranges::transform(bytes.first(N), out.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
  return out;
}

// A discard window is never read without the chunk addressing method.
bool closes_properly(const Options& o) {
  return !o.minimum_version && !o.swarm_id && !o.integrity && !o.hash && !o.signature && !o.addressing && !o.supported_messages &&
         !o.chunk_size;
}

}  // namespace

std::optional<Datagram> split_datagram(base::ByteView datagram) {
  base::Reader reader{datagram};
  const auto channel = reader.read<std::uint32_t>();
  if (!channel) return std::nullopt;
  return Datagram{ChannelId{*channel}, reader.rest()};
}

std::expected<std::optional<Message>, Error> Decoder::next() {
  if (error_) return std::unexpected(*error_);
  if (reader_.empty()) return std::nullopt;
  Result result = read_message();
  first_ = false;
  if (!result) {
    error_ = result.error();
    return std::unexpected(*error_);
  }
  return *result;
}

Result Decoder::read_message() {
  const std::uint8_t type = *reader_.read<std::uint8_t>();   // next() saw that there is one
  switch (static_cast<MessageType>(type)) {
    case MessageType::handshake: return read_handshake();
    case MessageType::data: return read_data();
    case MessageType::ack: return read_ack();
    case MessageType::have: return read_range<Have>();
    case MessageType::integrity: return read_integrity();
    case MessageType::pex_res_v4: return read_pex_res_v4();
    case MessageType::pex_req: return PexReq{};
    case MessageType::signed_integrity: return read_signed_integrity();
    case MessageType::request: return read_range<Request>();
    case MessageType::cancel: return read_range<Cancel>();
    case MessageType::choke: return Choke{};
    case MessageType::unchoke: return Unchoke{};
    case MessageType::pex_res_v6: return read_pex_res_v6();
    case MessageType::pex_res_cert: return read_pex_res_cert();
    case MessageType::extension: return read_extension();
    case MessageType::pushed: return read_pushed();
  }
  return fail(Error::unknown_message);
}

Result Decoder::read_handshake() {
  if (!first_) return fail(Error::handshake_not_first);  // RFC 7574 3.1
  const auto source = reader_.read<std::uint32_t>();
  if (!source) return fail(Error::truncated);
  auto options = decode_options(reader_);
  if (!options) return fail(options.error());
  const Handshake handshake{ChannelId{*source}, *options};
  if (handshake.is_close() && !closes_properly(*options)) return fail(Error::close_with_options);  // RFC 7574 8.4
  return handshake;
}

Result Decoder::read_data() {
  const auto range = read_chunk_spec(reader_, format_);
  if (!range) return fail(range.error());
  const auto timestamp = reader_.read<std::uint64_t>();
  if (!timestamp) return fail(Error::truncated);
  if (range->first != range->last) return fail(Error::several_chunks_in_data);
  const auto payload = read_payload();
  if (!payload) return fail(payload.error());
  return Data{range->first, NodeTimestamp{*timestamp}, *payload};
}

// RFC 7574 8.6: the content reaches to the datagram's end, unless several DATA of a fixed chunk size share the datagram.
// kVariableChunkSize is larger than any datagram.
std::expected<base::ByteView, Error> Decoder::read_payload() {
  const std::size_t size = std::min<std::size_t>(reader_.remaining(), format_.chunk_size);
  if (size == 0) return std::unexpected(Error::empty_payload);
  return *reader_.read_view(size);
}

Result Decoder::read_ack() {
  const auto range = read_chunk_spec(reader_, format_);
  if (!range) return fail(range.error());
  const auto delay = reader_.read<std::uint64_t>();
  if (!delay) return fail(Error::truncated);
  return Ack{*range, DelaySample{*delay}};
}

template <class RangeMessage>
Result Decoder::read_range() {
  const auto range = read_chunk_spec(reader_, format_);
  if (!range) return fail(range.error());
  return RangeMessage{*range};
}

Result Decoder::read_integrity() {
  if (format_.hash_size == 0 || format_.hash_size > crypto::kMaxDigestSize) return fail(Error::no_hashes_here);
  const auto range = read_chunk_spec(reader_, format_);
  if (!range) return fail(range.error());
  if (!is_subtree(*range)) return fail(Error::not_a_subtree);
  const auto hash = reader_.read_view(format_.hash_size);
  if (!hash) return fail(Error::truncated);
  return Integrity{*range, crypto::Digest{*hash}};
}

Result Decoder::read_signed_integrity() {
  if (format_.signature_size == 0) return fail(Error::no_signatures_here);
  const auto range = read_chunk_spec(reader_, format_);
  if (!range) return fail(range.error());
  if (!is_subtree(*range)) return fail(Error::not_a_subtree);
  const auto timestamp = reader_.read<std::uint64_t>();
  const auto signature = reader_.read_view(format_.signature_size);
  if (!timestamp || !signature) return fail(Error::truncated);
  return SignedIntegrity{*range, NtpTimestamp{*timestamp}, *signature};
}

Result Decoder::read_pex_res_v4() {
  const auto address = reader_.read_view(4);
  const auto port = reader_.read<std::uint16_t>();
  if (!address || !port) return fail(Error::truncated);
  return PexResV4{{base::IpAddress::v4(octets<4>(*address)), *port}};
}

Result Decoder::read_pex_res_v6() {
  const auto address = reader_.read_view(16);
  const auto port = reader_.read<std::uint16_t>();
  if (!address || !port) return fail(Error::truncated);
  return PexResV6{{base::IpAddress::v6(octets<16>(*address)), *port}};
}

Result Decoder::read_pex_res_cert() {
  const auto size = reader_.read<std::uint16_t>();
  if (!size) return fail(Error::truncated);
  const auto certificate = reader_.read_view(*size);
  if (!certificate) return fail(Error::truncated);
  return PexResCert{*certificate};
}

Result Decoder::read_extension() {
  const auto type = reader_.read<std::uint16_t>();
  const auto size = reader_.read<std::uint16_t>();
  if (!type || !size) return fail(Error::truncated);
  const auto value = reader_.read_view(*size);
  if (!value) return fail(Error::truncated);
  return Extension{*type, *value};
}

Result Decoder::read_pushed() {
  const auto high = reader_.read<std::uint16_t>();
  const auto low = reader_.read<std::uint32_t>();
  const auto sent_us = reader_.read<std::uint32_t>();
  if (!high || !low || !sent_us) return fail(Error::truncated);
  const auto payload = read_payload();
  if (!payload) return fail(payload.error());
  return Pushed{tree::ChunkIndex{std::uint64_t{*high} << 32U | *low}, *sent_us, *payload};
}

}  // namespace runnel::wire
