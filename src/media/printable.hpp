// Text from outside, made fit for terminals, JSON and pages.
#pragma once
#include <string>

namespace runnel::media {

// Each byte that is not part of valid UTF-8 (RFC 3629) becomes '?', each control character (C0, DEL, C1) spaces. The size stays.
// For titles, languages and messages that publishers, files and helpers bring; not for paths.
void make_printable(std::string& text);

}  // namespace runnel::media
