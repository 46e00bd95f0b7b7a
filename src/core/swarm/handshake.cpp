#include "core/swarm/handshake.hpp"

namespace runnel::swarm {
namespace {

wire::MessageSet our_messages() { return wire::MessageSet::rfc().insert(wire::MessageType::extension).insert(wire::MessageType::pushed); }

std::uint32_t wire_chunk_size(const Metadata& metadata) { return metadata.fixed_chunks() ? metadata.chunk_size : wire::kVariableChunkSize; }

// Option 4 is for static swarms alone to older peers (rfc7574.md P9).
bool hash_may_be_unknown(const Metadata& metadata) { return metadata.live && metadata.compat(); }

void add_content_options(wire::Options& options, const Metadata& metadata, bool with_hash) {
  options.integrity = metadata.integrity();
  // RFC 7574 7.6: where there are trees.
  if (!metadata.sign_all && (with_hash || !hash_may_be_unknown(metadata))) options.hash = metadata.hash;
  if (metadata.live) options.signature = metadata.signature_algorithm();
  options.addressing = metadata.addressing;
  if (metadata.live) options.discard_window = metadata.live_window;
}

// What a peer names must be what the swarm is; what it leaves out is taken as agreed (rfc7574.md, field notes).
bool same_swarm(const Metadata& metadata, const wire::Options& theirs) {
  if (theirs.swarm_id && !base::equal(*theirs.swarm_id, metadata.id)) return false;
  if (theirs.integrity && *theirs.integrity != metadata.integrity()) return false;
  if (theirs.hash && !metadata.sign_all && *theirs.hash != metadata.hash) return false;
  if (theirs.signature && (!metadata.live || *theirs.signature != metadata.signature_algorithm())) return false;
  if (theirs.addressing && *theirs.addressing != metadata.addressing) return false;
  return !theirs.chunk_size || *theirs.chunk_size == wire_chunk_size(metadata);
}

Agreed agree(const wire::Options& theirs) {
  Agreed agreed;
  agreed.version = std::min(theirs.version.value_or(wire::kVersionRfc), wire::kVersionRunnel);
  if (theirs.supported_messages) agreed.peer_messages = *theirs.supported_messages;
  if (theirs.discard_window && *theirs.discard_window != wire::kKeepsEverything) agreed.peer_window = *theirs.discard_window;
  return agreed;
}

}  // namespace

wire::Options initiating_options(const Metadata& metadata, Style style) {
  wire::Options options;
  options.version = wire::kVersionRunnel;
  options.minimum_version = wire::kVersionRfc;   // RFC 7574 7.3
  options.swarm_id = metadata.id;
  add_content_options(options, metadata, style == Style::full);
  if (style == Style::full) {
    options.supported_messages = our_messages();
    options.chunk_size = wire_chunk_size(metadata);
  }
  return options;
}

wire::Options replying_options(const Metadata& metadata, const wire::Options& initiator) {
  wire::Options options;
  options.version = std::min(initiator.version.value_or(wire::kVersionRfc), wire::kVersionRunnel);
  add_content_options(options, metadata, initiator.hash.has_value());
  // The RFC's own fit two bytes: our answer to a peer of version 1 must not be longer than its call (RFC 7574 12.1).
  if (initiator.supported_messages)
    options.supported_messages = *options.version >= wire::kVersionRunnel ? our_messages() : wire::MessageSet::rfc();
  if (initiator.chunk_size) options.chunk_size = wire_chunk_size(metadata);
  return options;
}

std::optional<Agreed> accept_initiating(const Metadata& metadata, const wire::Options& theirs) {
  if (!theirs.swarm_id || !theirs.version) return std::nullopt;
  if (theirs.minimum_version.value_or(wire::kVersionRfc) > wire::kVersionRunnel) return std::nullopt;
  if (!same_swarm(metadata, theirs)) return std::nullopt;
  return agree(theirs);
}

std::optional<Agreed> accept_reply(const Metadata& metadata, const wire::Options& theirs) {
  if (!same_swarm(metadata, theirs)) return std::nullopt;
  return agree(theirs);
}

wire::Format format_of(const Metadata& metadata, std::size_t signature_size) {
  wire::Format format;
  format.addressing = metadata.addressing;
  format.hash_size = metadata.sign_all ? 0 : crypto::digest_size(metadata.hash);
  format.signature_size = signature_size;
  format.chunk_size = wire_chunk_size(metadata);
  format.content_size = metadata.content_bytes.value_or(wire::kUnknownSize);
  return format;
}

}  // namespace runnel::swarm
