// Opening and answering a channel (RFC 7574 3.1, 7, 12.1): which options we send, and whether we can work with theirs.
#pragma once
#include <cstdint>
#include <optional>

#include "core/swarm/metadata.hpp"
#include "core/wire/message.hpp"
#include "core/wire/options.hpp"

namespace runnel::swarm {

// What two peers work with once both handshakes are known.
struct Agreed {
  std::uint8_t version = wire::kVersionRfc;
  wire::MessageSet peer_messages = wire::MessageSet::rfc();
  std::optional<std::uint64_t> peer_window;   // chunks; nullopt: keeps everything
  // Version 2 and the extension message on both sides.
  // Chunks that are pushed may come in fewer bytes.
  [[nodiscard]] bool takes_pushed() const { return extensions() && peer_messages.contains(wire::MessageType::pushed); }
  [[nodiscard]] bool extensions() const { return version >= wire::kVersionRunnel && peer_messages.contains(wire::MessageType::extension); }
};

enum class Style {
  full,    // every option that we know
  plain,   // without options 8 and 9, and 4 in live swarms, which older peers do not understand (rfc7574.md P1, P9)
};

// The first datagram's handshake. Views into `metadata`.
wire::Options initiating_options(const Metadata& metadata, Style style);
// An answer, which mirrors what the initiator understood (P1, P4: the swarm id is not repeated).
wire::Options replying_options(const Metadata& metadata, const wire::Options& initiator);

// nullopt: not a handshake for this swarm, or one that we can not work with: say nothing (RFC 7574 3.1.1).
std::optional<Agreed> accept_initiating(const Metadata& metadata, const wire::Options& theirs);
std::optional<Agreed> accept_reply(const Metadata& metadata, const wire::Options& theirs);

// The wire format of a swarm's messages.
wire::Format format_of(const Metadata& metadata, std::size_t signature_size);

}  // namespace runnel::swarm
