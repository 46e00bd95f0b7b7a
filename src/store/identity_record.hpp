// What the media file looked like after our own last write to it: 40 bytes in a file of their own, written after each batch.
// It costs two system calls; without it every resume after kill -9 would have to hash the whole file.
#pragma once
#include <expected>
#include <optional>

#include "store/error.hpp"
#include "store/file.hpp"

namespace runnel::store {

// nullopt if there is none or a crash tore it.
std::optional<FileIdentity> read_identity_record(const File& file);
std::expected<void, Error> write_identity_record(File& file, const FileIdentity& identity);

}  // namespace runnel::store
