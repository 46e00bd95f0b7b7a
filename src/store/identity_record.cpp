#include "store/identity_record.hpp"

#include "base/rng.hpp"

namespace runnel::store {
namespace {

constexpr std::uint64_t kMagic = 0x72756e6e'656c4944;   // "runnelID"
constexpr std::size_t kBytes = 40;

std::uint64_t checksum(const FileIdentity& identity) {
  const auto modified = static_cast<std::uint64_t>(identity.modified_ns);
  return base::mix64(identity.size ^ base::mix64(identity.inode ^ base::mix64(modified ^ kMagic)));
}

}  // namespace

std::optional<FileIdentity> read_identity_record(const File& file) {
  std::array<std::byte, kBytes> bytes{};
  const auto got = file.read_at(0, bytes);
  if (!got || *got != kBytes) return std::nullopt;
  base::Reader reader(bytes);
  const auto magic = reader.read<std::uint64_t>();
  const auto size = reader.read<std::uint64_t>();
  const auto inode = reader.read<std::uint64_t>();
  const auto modified = reader.read<std::uint64_t>();
  const auto sum = reader.read<std::uint64_t>();
  const FileIdentity identity{.size = *size, .inode = *inode, .modified_ns = static_cast<std::int64_t>(*modified)};
  if (*magic != kMagic || *sum != checksum(identity)) return std::nullopt;
  return identity;
}

std::expected<void, Error> write_identity_record(File& file, const FileIdentity& identity) {
  std::array<std::byte, kBytes> bytes{};
  base::store_big_endian(bytes.data(), kMagic);
  base::store_big_endian(bytes.data() + 8, identity.size);
  base::store_big_endian(bytes.data() + 16, identity.inode);
  base::store_big_endian(bytes.data() + 24, static_cast<std::uint64_t>(identity.modified_ns));
  base::store_big_endian(bytes.data() + 32, checksum(identity));
  return file.write_at(0, base::ByteView{bytes});
}

}  // namespace runnel::store
