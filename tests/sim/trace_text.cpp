#include "sim/trace_text.hpp"

#include <iomanip>
#include <ostream>

#include "core/wire/decoder.hpp"
#include "support/wire_chunk.hpp"
#include "support/wire_text.hpp"

namespace runnel::sim {
namespace {

// A chunk's bytes would fill the screen.
std::string message_text(const wire::Message& message) {
  const std::string text = test::text(message);
  const auto chunk = test::chunk_of(message);
  return chunk ? text.substr(0, text.rfind(' ')) + " " + std::to_string(chunk->payload.size()) + " bytes" : text;
}

}  // namespace

Tap text_tap(std::ostream& out, const wire::Format& format) {
  return [&out, format](const Sent& sent) {
    const auto us = sent.at.time_since_epoch().count();
    out << us / 1'000'000 << "." << std::setw(6) << std::setfill('0') << us % 1'000'000 << " " << sent.source.to_string() << " > "
        << sent.to.to_string() << " " << sent.bytes.size();
    if (const auto datagram = wire::split_datagram(sent.bytes)) {
      out << " " << base::to_hex(base::ByteView{sent.bytes}.first(4));
      wire::Decoder decoder{datagram->messages, format};
      for (auto message = decoder.next(); message && *message; message = decoder.next()) out << " " << message_text(**message) << ";";
    }
    out << "\n";
  };
}

}  // namespace runnel::sim
