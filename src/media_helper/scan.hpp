// Looks through a caster's own file: is it media, what is in it, and does it need an index beside it?
#pragma once
#include <functional>
#include <string>

#include "media_helper/demand_error.hpp"
#include "media_helper/film.hpp"
#include "media_helper/scanned_index.hpp"

namespace runnel::media_helper {

struct ScannedFile {
  bool is_media = false;
  std::string reason;   // why it is not; for a user
  std::string mime = "application/octet-stream";
  base::Duration duration{};
  std::vector<media::TrackInfo> tracks;
  std::optional<ScannedIndex> index;   // where the container has none of its own
};

// Reads the whole file only where it has no index. `alive` is called between packets. Errors: read_failed.
std::expected<ScannedFile, DemandError> scan_file(RandomReader& reader, const std::string& name, const std::function<void()>& alive);

}  // namespace runnel::media_helper
