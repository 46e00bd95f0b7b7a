// What can go wrong with files, in words for the person who runs the program.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace runnel::store {

enum class Fault {
  not_found,         // no such file
  no_folder,         // the folder of the file does not exist
  no_permission,     // reading or writing is not allowed
  not_a_file,        // a folder, a pipe, a device
  empty_file,        // nothing to share
  disk_full,         // no space, or over a disk quota
  file_too_large,    // more than this file system or a process limit allows
  too_many_files,    // out of file handles
  io_failed,         // any other answer of the operating system; see Error::os_error
  in_use,            // another process holds this file's index
  exists,            // the file to write exists and is not a download of this swarm
  other_swarm,       // the index beside the file is of another swarm
  changed_on_disk,   // the media file is no longer what was verified
  not_held,          // the bytes asked for are not verified yet
  size_unknown,      // set_size() has not been called
  wrong_size,        // a size that contradicts the one known, or a chunk of a wrong length or beyond the end
  read_only,         // write() to a file that is only seeded
  damaged_index,     // the index cannot be read
  cancelled,         // the caller's cancel check said so
};

struct Error {
  Fault fault = Fault::io_failed;
  int os_error = 0;                  // errno, where the operating system said no
  std::filesystem::path path;        // the file or folder it is about
  std::uint64_t missing_bytes = 0;   // disk_full: how much room is missing, if that is known
  friend bool operator==(const Error&, const Error&) = default;
};

// One sentence that says what happened and what to do.
std::string message(const Error& error);

}  // namespace runnel::store
