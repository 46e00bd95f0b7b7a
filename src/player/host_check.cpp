#include "player/host_check.hpp"

#include <algorithm>

namespace runnel::player {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

bool is_port(std::string_view text) {
  return text.size() <= 5 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The name or address without brackets and port; empty if it is malformed.
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return {};
    const std::string_view rest = host.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return {};
    return host.substr(1, end - 1);
  }
  const std::size_t colon = host.find(':');
  if (colon == std::string_view::npos) return host;
  return is_port(host.substr(colon + 1)) ? host.substr(0, colon) : std::string_view{};
}

}  // namespace

bool host_allowed(std::string_view host, const base::IpAddress& local, const std::vector<std::string>& extra) {
  std::string_view name = host_name(host);
  if (name.empty()) return false;
  if (const auto address = base::IpAddress::parse(name)) return address->is_loopback() || *address == local;
  if (name.ends_with('.')) name.remove_suffix(1);
  constexpr std::string_view kUnderLocalhost = ".localhost";   // RFC 6761 6.3: never resolved elsewhere
  if (same_name(name, "localhost")) return true;
  if (name.size() > kUnderLocalhost.size() && same_name(name.substr(name.size() - kUnderLocalhost.size()), kUnderLocalhost)) return true;
  return std::ranges::any_of(extra, [&](const std::string& allowed) { return same_name(name, allowed); });
}

}  // namespace runnel::player
