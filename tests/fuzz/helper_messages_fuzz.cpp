// What a media helper that was taken over could send to its node.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "media/helper_messages.hpp"

using namespace runnel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = media::helper::decode(std::as_bytes(std::span{data, size}));
  if (!message) return 0;
  // What was understood can be said again in as many bytes.
  if (media::helper::encode(*message).size() != size + media::helper::kFrameHeaderBytes) std::abort();
  return 0;
}
