// Small files of our own: keys, secrets, what is remembered.
#pragma once
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>

namespace runnel::node {

// The errors are errno's numbers.
std::expected<std::string, int> read_file(const std::filesystem::path& file);

// In whole or not at all. `mode` holds from the first moment: a key must never be readable by others.
std::expected<void, int> write_file(const std::filesystem::path& file, std::string_view text, unsigned mode);

}  // namespace runnel::node
