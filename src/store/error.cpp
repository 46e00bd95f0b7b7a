#include "store/error.hpp"

#include <system_error>

namespace runnel::store {
namespace {

std::string reason(int os_error) { return os_error == 0 ? "unknown error" : std::generic_category().message(os_error); }

std::string megabytes(std::uint64_t bytes) { return std::to_string((bytes + 999'999) / 1'000'000) + " MB"; }

}  // namespace

std::string message(const Error& error) {
  const std::string path = error.path.string();
  const std::string folder = error.path.parent_path().empty() ? "." : error.path.parent_path().string();
  switch (error.fault) {
    case Fault::not_found: return "there is no file " + path + ": check the name";
    case Fault::no_folder: return "there is no folder " + folder + ": make it, or name another place";
    case Fault::no_permission:
      return path + " may not be opened (" + reason(error.os_error) + "): change its permissions or its folder's, or name another place";
    case Fault::not_a_file: return path + " is not a plain file: name a file";
    case Fault::empty_file: return path + " is empty: there is nothing to share";
    case Fault::disk_full:
      if (error.missing_bytes > 0) {
        return "the disk has too little space: free " + megabytes(error.missing_bytes) + " more in " + folder +
               ", then run the same command again";
      }
      return "the disk is full: free space in " + folder + ", then run the same command again";
    case Fault::file_too_large:
      return path + " would be larger than its file system or the limit of this process (ulimit -f) allows: name a place on another disk";
    case Fault::too_many_files: return "too many files are open: raise the limit (ulimit -n) or run fewer streams";
    case Fault::io_failed: return path + " cannot be read or written (" + reason(error.os_error) + "): check the disk";
    case Fault::in_use: return path + " is in use by another runnel: stop that one, or name another file";
    case Fault::exists: return path + " exists and holds something else: name another file, or remove it";
    case Fault::other_swarm: return path + " belongs to the download of another link: name another file, or remove it and its index folder";
    case Fault::changed_on_disk: return path + " was changed by another program: start again, so that it is checked";
    case Fault::not_held: return "this part of " + path + " has not arrived yet";
    case Fault::size_unknown: return "the size of " + path + " is not known yet";
    case Fault::wrong_size: return path + " does not have the size that was announced: check the link";
    case Fault::read_only: return path + " is only shared, not written";
    case Fault::damaged_index: return "the index in " + folder + " is damaged: remove that folder, then run the same command again";
    case Fault::cancelled: return "stopped before all of " + path + " was checked";
  }
  return "unknown fault";
}

}  // namespace runnel::store
