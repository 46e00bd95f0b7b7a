// The database and the identity record of a download, spoilt at the places that the input names: opened or refused, never worse, and what
// is opened takes what a download writes. Ranges that are read are ranges.
#include <filesystem>
#include <fstream>

#include "base/check.hpp"
#include "fuzz/input.hpp"
#include "fuzz/scratch.hpp"
#include "store/identity_record.hpp"
#include "store/index_db.hpp"

using namespace runnel;
using namespace runnel::store;
using tree::ChunkIndex;
using tree::ChunkRange;

namespace {

IndexHeader header() {
  IndexHeader header;
  header.root = crypto::Digest{base::Bytes(32, std::byte{7})};
  header.chunk_size = 1080;
  header.size = 1'000'000;
  header.boot_id = "boot";
  header.synced_identity = FileIdentity{1'000'000, 5, 6};
  return header;
}

// A sound database, as bytes: made once, since making one takes a millisecond.
base::Bytes sound_database(const std::filesystem::path& path) {
  IndexDb::remove(path);
  {
    auto db = IndexDb::open(path);
    base::check(db && db->save_header(header()), "a database is made");
    const ChunkRange run{ChunkIndex{3}, ChunkIndex{500}};
    base::check(db->claim({&run, 1}) && db->mark_synced({&run, 1}, header()), "ranges are claimed");
  }
  base::check(IndexDb::checkpoint(path).has_value(), "the log is in the database");
  std::ifstream file{path, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  return base::to_bytes(base::as_bytes(text));
}

void write_file(const std::filesystem::path& path, base::ByteView bytes) { std::ofstream{path, std::ios::binary} << base::as_text(bytes); }

void read_identity(const std::filesystem::path& path, base::ByteView bytes) {
  write_file(path, bytes);
  auto file = File::open(path, OpenMode::update);
  base::check(file.has_value(), "the scratch file opens");
  static_cast<void>(read_identity_record(*file));
  const FileIdentity identity{9, 8, 7};
  base::check(write_identity_record(*file, identity) && read_identity_record(*file) == identity, "a record that was written is read");
}

void use(IndexDb& db) {
  static_cast<void>(db.header());
  for (const auto& found : {db.claimed(), db.synced()}) {
    if (!found) continue;
    for (const ChunkRange& run : found->list()) base::check(run.valid(), "a range is a range");
  }
  const ChunkRange run{ChunkIndex{400}, ChunkIndex{700}};
  if (db.save_header(header()) && db.claim({&run, 1})) {
    const auto claimed = db.claimed();
    if (claimed) base::check(claimed->contains(run), "what was claimed is claimed");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path path = fuzz::scratch_file("index");
  static const base::Bytes sound = sound_database(path);
  fuzz::Input input{data, size};
  IndexDb::remove(path);
  if (input.below(4) == 0) {
    read_identity(path, input.all());
  } else {
    base::Bytes spoilt = sound;
    for (int places = 0; places < 32 && !input.empty(); ++places) {
      const std::size_t at = input.word();
      spoilt[at % spoilt.size()] = static_cast<std::byte>(input.octet());
    }
    write_file(path, spoilt);
    if (auto db = IndexDb::open(path))
      use(*db);
    else
      base::check(!message(db.error()).empty(), "every error has a text");
  }
  IndexDb::remove(path);
  return 0;
}
