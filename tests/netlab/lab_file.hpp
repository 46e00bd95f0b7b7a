// A lab's description in TOML; the keys are told in tests/netlab/README.md. The same words change a lab that runs.
#pragma once
#include <expected>
#include <string>
#include <string_view>

#include "netlab/settings.hpp"

namespace runnel::netlab {

// The errors are sentences for the user; they name the file, the line where there is one, and the key.
std::expected<LabSettings, std::string> load_lab(const std::string& path);
std::expected<LabSettings, std::string> read_lab(std::string_view toml, const std::string& name);

// `settings` with what the text says put over it; hosts, addresses, the MTU and the seed stay as they are.
std::expected<LabSettings, std::string> changed(LabSettings settings, std::string_view toml);

}  // namespace runnel::netlab
