// The node's state as JSON (/api/status, /streams) and as Prometheus text (/metrics). Layout: docs/API.md.
#pragma once
#include <string>

#include "player/stream.hpp"

namespace runnel::player {

// `base_url` and `lan_url` as HttpServer gives them. `to_this_machine`: the links with the secrets of private streams.
std::string status_json(Streams& streams, const std::string& base_url, const std::string& lan_url, bool to_this_machine);
std::string streams_json(Streams& streams, bool to_this_machine);
std::string metrics_text(Streams& streams);

}  // namespace runnel::player
