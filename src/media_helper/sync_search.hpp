// Finding a place to read from in a film that has no index: the start of a Matroska cluster or of an MP4 fragment.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>

#include "media_helper/container.hpp"

namespace runnel::media_helper {

constexpr std::uint64_t kMaxSyncSearchBytes = 16U << 20;   // a cluster is 5 MB at most in what common tools write

// The first cluster (RFC 9559 5.1.3) or moof box that begins at or after `from`; nullopt if there is none within kMaxSyncSearchBytes.
// Errors: cancelled, read_failed.
std::expected<std::optional<std::uint64_t>, DemandError> find_sync(BlockCache& cache, SpliceKind kind, std::uint64_t from);

}  // namespace runnel::media_helper
