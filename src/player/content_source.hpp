// A range of a finite stream as a reply's body: pieces read ahead through ContentReader while the client takes earlier ones.
#pragma once
#include <memory>

#include "media/content_reader.hpp"
#include "player/byte_range.hpp"
#include "player/http_server.hpp"
#include "player/http_types.hpp"

namespace runnel::player {

// Reads nothing until the first next(). Gives exactly range.length bytes. `content` outlives it.
std::unique_ptr<BodySource> make_content_source(media::ContentReader& content, ByteRange range, const HttpLimits& limits);

}  // namespace runnel::player
