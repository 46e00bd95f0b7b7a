#include "node/private_secret.hpp"

#include <cstring>

#include "core/swarm/link.hpp"
#include "node/small_file.hpp"

namespace runnel::node {
namespace {

constexpr std::size_t kSecretSize = 24;   // bytes; 48 digits in the link, and no number of guesses comes near

}  // namespace

base::Bytes new_private_secret(crypto::SecretRng& random) {
  base::Bytes secret;
  base::Writer writer{secret};
  while (secret.size() < kSecretSize) writer.write(random.next());
  return secret;
}

std::expected<base::Bytes, std::string> private_secret(const std::filesystem::path& file, crypto::SecretRng& random) {
  const std::string name = "the private link's secret in " + file.string();
  if (std::error_code none; std::filesystem::exists(file, none)) {
    const auto text = read_file(file);
    if (!text) return std::unexpected(name + " can not be read: " + std::strerror(text.error()));
    const auto secret = base::from_hex(std::string_view{*text}.substr(0, text->find('\n')));
    if (!secret || secret->size() < swarm::kMinLinkSecretSize || secret->size() > swarm::kMaxLinkSecretSize)
      return std::unexpected(name + " is damaged: delete the file for a new one, which makes old links useless");
    return *secret;
  }
  const base::Bytes secret = new_private_secret(random);
  std::error_code error;
  std::filesystem::create_directories(file.parent_path().empty() ? "." : file.parent_path(), error);
  if (const auto written = write_file(file, base::to_hex(secret) + "\n", 0600); !written)
    return std::unexpected(name + " can not be written: " + std::strerror(written.error()));
  return secret;
}

}  // namespace runnel::node
