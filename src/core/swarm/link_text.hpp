// The text side of links: percent-encoding, UTF-8, URLs. Inside swarm only.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace runnel::swarm {

// Everything but unreserved characters, ':' and '/' is encoded: the result is safe in a query and readable.
std::string percent_encode(std::string_view text);

// Bytes below 32, or 127: nothing that goes to a terminal or into a header may carry them.
bool has_control_character(std::string_view text);
// RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF.
bool is_utf8(std::string_view text);
// scheme://host..., printable ASCII without spaces, of one of the schemes (lowercase, without "://").
bool is_url(std::string_view text, std::span<const std::string_view> schemes);
// A name as in the DNS: letters, digits, '-', '_' and single dots, at most kMaxLinkHostSize.
bool is_host_name(std::string_view text);

std::string_view trim(std::string_view text);  // ASCII white space

}  // namespace runnel::swarm
