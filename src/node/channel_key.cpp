#include "node/channel_key.hpp"

#include <boost/json.hpp>
#include <cstring>

#include "node/small_file.hpp"

namespace runnel::node {
namespace {

std::filesystem::path state_file(const std::filesystem::path& key) { return key.string() + ".state"; }

// What can not be read is as if it were not there: the clock alone then keeps indices from repeating.
ChannelState read_state(const std::filesystem::path& file) {
  ChannelState state;
  const auto text = read_file(file);
  if (!text) return state;
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(*text, error);
  const auto* object = value.if_object();
  if (error || object == nullptr) return state;
  const auto number = [&](const char* name) -> std::optional<std::uint64_t> {
    const auto* found = object->if_contains(name);
    if (found == nullptr || !found->is_number()) return std::nullopt;
    boost::system::error_code wrong;
    const auto n = found->to_number<std::uint64_t>(wrong);
    return wrong ? std::nullopt : std::optional{n};
  };
  if (const auto index = number("last_index"); index && *index < std::uint64_t{1} << 60) state.last_index = tree::ChunkIndex{*index};
  if (const auto index = number("last_compat_index"); index && *index < std::uint64_t{1} << 32)
    state.last_compat_index = tree::ChunkIndex{*index};
  state.epoch = static_cast<std::uint32_t>(number("epoch").value_or(0));
  state.listen_port = static_cast<std::uint16_t>(number("listen_port").value_or(0));
  state.http_port = static_cast<std::uint16_t>(number("http_port").value_or(0));
  state.tracker_port = static_cast<std::uint16_t>(number("tracker_port").value_or(0));
  return state;
}

}  // namespace

ChannelKey ChannelKey::temporary() {
  ChannelKey key;
  key.signer_ = crypto::generate_signer(crypto::SignatureAlgorithm::ecdsa_p256_sha256);
  return key;
}

std::expected<ChannelKey, std::string> ChannelKey::open(const std::filesystem::path& file) {
  const std::string name = "the key file " + file.string();
  ChannelKey key = temporary();
  key.file_ = file;
  if (std::error_code none; !std::filesystem::exists(file, none)) {
    if (const auto written = write_file(file, crypto::to_pem(*key.signer_), 0600); !written) {
      return std::unexpected(name + " can not be written: " + std::strerror(written.error()));
    }
    return key;
  }
  const auto pem = read_file(file);
  if (!pem) return std::unexpected(name + " can not be read: " + std::strerror(pem.error()));
  auto signer = crypto::parse_signer(*pem);
  if (!signer) return std::unexpected(name + " can not be used: " + crypto::message(signer.error()));
  key.signer_ = std::move(*signer);
  key.state_ = read_state(state_file(file));
  return key;
}

std::expected<void, std::string> ChannelKey::remember(const ChannelState& state) {
  state_ = state;
  if (!file_) return {};
  boost::json::object object;
  if (state.last_index) object["last_index"] = state.last_index->value();
  if (state.last_compat_index) object["last_compat_index"] = state.last_compat_index->value();
  object["epoch"] = state.epoch;
  object["listen_port"] = state.listen_port;
  object["http_port"] = state.http_port;
  object["tracker_port"] = state.tracker_port;
  const auto written = write_file(state_file(*file_), boost::json::serialize(object) + "\n", 0600);
  if (!written) return std::unexpected("the state of the key can not be written beside it: " + std::string{std::strerror(written.error())});
  return {};
}

}  // namespace runnel::node
