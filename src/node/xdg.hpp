// Folders of the user (XDG Base Directory Specification) and of this program.
#pragma once
#include <filesystem>
#include <string>

namespace runnel::node {

std::filesystem::path cache_folder();   // $XDG_CACHE_HOME/runnel, else ~/.cache/runnel, else a folder of the temporary ones
// runnel-media beside the running program, else its name, to be found on PATH.
std::string helper_program();

}  // namespace runnel::node
