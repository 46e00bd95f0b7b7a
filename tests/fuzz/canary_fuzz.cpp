// A decoder with a planted bug, to show that the fuzzer finds one: it must within a minute (./run fuzz). The bug is of the kind that
// real ones are: three messages that are right each for itself and wrong together.
#include <cstdlib>

#include "core/wire/decoder.hpp"
#include "fuzz/input.hpp"

using namespace runnel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wire::Decoder decoder{std::as_bytes(std::span{data, size}), {}};
  std::optional<tree::ChunkRange> asked;
  bool choked = false;
  while (true) {
    const auto message = decoder.next();
    if (!message || !*message) return 0;
    if (const auto* request = std::get_if<wire::Request>(&**message)) asked = request->range;
    if (std::holds_alternative<wire::Choke>(**message)) choked = asked.has_value();
    const auto* cancel = std::get_if<wire::Cancel>(&**message);
    if (cancel != nullptr && choked && cancel->range == *asked && asked->count() > 1) std::abort();   // planted
  }
}
