// Against DNS rebinding: a web page may point a name of its own at our address and read what we serve as "same origin".
// Such a request carries that name in Host, so only names and addresses that are surely ours are answered.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"

namespace runnel::player {

// `host` as sent, with or without port. Allowed: localhost and names under it, loopback addresses, `local` (the address the
// client connected to) and `extra` names. An address other than these is refused too.
bool host_allowed(std::string_view host, const base::IpAddress& local, const std::vector<std::string>& extra);

}  // namespace runnel::player
