// The key of a live channel and what is remembered beside it, so that a caster that starts again goes on in the same swarm.
#pragma once
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core/tree/types.hpp"
#include "crypto/sign.hpp"

namespace runnel::node {

// Kept in FILE.state beside the key, as JSON.
struct ChannelState {
  std::optional<tree::ChunkIndex> last_index;   // no index up to it is ever used again
  std::optional<tree::ChunkIndex> last_compat_index;   // the same, of the form that older peers know: 32 bits from 0
  std::uint32_t epoch = 0;                      // newest epoch used
  std::uint16_t listen_port = 0;                // 0: not remembered
  std::uint16_t http_port = 0;
  std::uint16_t tracker_port = 0;
};

class ChannelKey {
 public:
  // A key without a file: the channel ends with the process.
  static ChannelKey temporary();
  // Reads the file, or makes it (mode 0600) if it does not exist. The error is a text for the user.
  static std::expected<ChannelKey, std::string> open(const std::filesystem::path& file);

  [[nodiscard]] crypto::Signer& signer() const { return *signer_; }
  [[nodiscard]] const ChannelState& state() const { return state_; }
  // Written at once, by renaming a new file over the old one.
  std::expected<void, std::string> remember(const ChannelState& state);

 private:
  std::unique_ptr<crypto::Signer> signer_;
  std::optional<std::filesystem::path> file_;
  ChannelState state_;
};

}  // namespace runnel::node
