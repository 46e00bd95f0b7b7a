// Messages as text, in the notation of tests/vectors/README.md.
#pragma once
#include <algorithm>
#include <string>

#include "core/wire/message.hpp"

namespace runnel::test {

inline std::string text(base::ByteView bytes) {
  if (bytes.empty()) return "-";
  std::string out;
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t run = static_cast<std::size_t>(std::ranges::find_if(bytes.subspan(i), [&](std::byte b) { return b != bytes[i]; }) -
                                                     bytes.subspan(i).begin());
    constexpr std::size_t kShortestRun = 8;
    if (run >= kShortestRun) {
      out += std::to_string(run) + "*" + base::to_hex(bytes.subspan(i, 1));
      i += run;
    } else {
      out += base::to_hex(bytes.subspan(i, 1));
      ++i;
    }
  }
  return out;
}

inline std::string text(tree::ChunkRange range) { return std::to_string(range.first.value()) + ".." + std::to_string(range.last.value()); }

inline std::string text(const wire::Options& options) {
  std::string out;
  const auto number = [&out](std::string_view name, const auto& value) {
    if (value) out += " " + std::string{name} + "=" + std::to_string(static_cast<std::uint64_t>(*value));
  };
  number("version", options.version);
  number("minimum", options.minimum_version);
  if (options.swarm_id) out += " swarm=" + text(*options.swarm_id);
  number("integrity", options.integrity);
  number("hash", options.hash);
  number("signature", options.signature);
  number("addressing", options.addressing);
  if (options.discard_window == wire::kKeepsEverything) {
    out += " window=all";
  } else {
    number("window", options.discard_window);
  }
  if (options.supported_messages) out += " messages=" + base::to_hex(options.supported_messages->bitmap());
  if (options.chunk_size == wire::kVariableChunkSize) {
    out += " chunk=variable";
  } else {
    number("chunk", options.chunk_size);
  }
  return out;
}

inline std::string text(const wire::Message& message) {
  const auto hex32 = [](std::uint32_t value) {
    std::array<std::byte, 4> bytes{};
    base::store_big_endian(bytes.data(), value);
    return base::to_hex(bytes);
  };
  struct Visitor {
    decltype(hex32)& hex;
    std::string operator()(const wire::Handshake& m) const { return "HANDSHAKE " + hex(m.source.value()) + text(m.options); }
    std::string operator()(const wire::Data& m) const {
      return "DATA " + std::to_string(m.chunk.value()) + " t=" + std::to_string(m.timestamp.value()) + " " + text(m.payload);
    }
    std::string operator()(const wire::Ack& m) const { return "ACK " + text(m.range) + " delay=" + std::to_string(m.delay.value()); }
    std::string operator()(const wire::Have& m) const { return "HAVE " + text(m.range); }
    std::string operator()(const wire::Integrity& m) const { return "INTEGRITY " + text(m.range) + " " + text(m.hash.view()); }
    std::string operator()(const wire::PexResV4& m) const { return "PEX_RESv4 " + m.peer.to_string(); }
    std::string operator()(const wire::PexReq&) const { return "PEX_REQ"; }
    std::string operator()(const wire::SignedIntegrity& m) const {
      return "SIGNED_INTEGRITY " + text(m.range) + " ntp=" + std::to_string(m.timestamp.value()) + " " + text(m.signature);
    }
    std::string operator()(const wire::Request& m) const { return "REQUEST " + text(m.range); }
    std::string operator()(const wire::Cancel& m) const { return "CANCEL " + text(m.range); }
    std::string operator()(const wire::Choke&) const { return "CHOKE"; }
    std::string operator()(const wire::Unchoke&) const { return "UNCHOKE"; }
    std::string operator()(const wire::PexResV6& m) const { return "PEX_RESv6 " + m.peer.to_string(); }
    std::string operator()(const wire::PexResCert& m) const { return "PEX_REScert " + text(m.certificate); }
    std::string operator()(const wire::Pushed& m) const {
      return "PUSHED " + std::to_string(m.chunk.value()) + " t=" + std::to_string(m.sent_us) + " " + text(m.payload);
    }
    std::string operator()(const wire::Extension& m) const { return "EXTENSION " + std::to_string(m.type) + " " + text(m.value); }
  };
  return std::visit(Visitor{hex32}, message);
}

}  // namespace runnel::test
