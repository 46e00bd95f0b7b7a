// A folder that goes with the test, reproducible content, and its tree in memory.
#pragma once
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/rng.hpp"
#include "store/rehash.hpp"
#include "store/static_store.hpp"
#include "support/temp_folder.hpp"
#include "support/test_hasher.hpp"

namespace runnel::store::test {

using base::Bytes;
using base::ByteView;
using base::Duration;
using base::Time;
using runnel::test::TestHasher;
using tree::Bin;
using tree::ChunkIndex;
using tree::ChunkRange;

using runnel::test::TempFolder;

inline Bytes random_bytes(std::size_t size, std::uint64_t seed) {
  base::Rng rng(seed);
  Bytes bytes(size);
  for (std::byte& b : bytes) b = static_cast<std::byte>(rng());
  return bytes;
}

inline void write_file(const std::filesystem::path& path, ByteView bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(base::as_text(bytes).data(), static_cast<std::streamsize>(bytes.size()));
}

inline Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return base::to_bytes(base::as_bytes(text));
}

// What another program does to a file a little later: bytes at an offset, the size as it is. Before Linux 6.13 a file's time moves in
// steps of some milliseconds, so it is set.
inline void overwrite(const std::filesystem::path& path, std::uint64_t offset, ByteView bytes) {
  const auto later = std::filesystem::last_write_time(path) + std::chrono::milliseconds(20);
  {
    std::fstream out(path, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(offset));
    out.write(base::as_text(bytes).data(), static_cast<std::streamsize>(bytes.size()));
  }
  std::filesystem::last_write_time(path, later);
}

inline Time at_ms(std::int64_t ms) { return Time{Duration{ms * 1000}}; }

// Content cut into chunks, with every node of its tree: what a swarm would send.
class Content {
 public:
  Content(std::size_t bytes, std::uint32_t chunk_size, std::uint64_t seed, crypto::HashAlgorithm algorithm = crypto::HashAlgorithm::sha256)
      : bytes_(random_bytes(bytes, seed)), chunk_size_(chunk_size), hasher_(algorithm) {
    root_ = node(root_bin(chunks()));
  }
  [[nodiscard]] std::uint64_t chunks() const { return chunks_in(bytes_.size(), chunk_size_); }
  [[nodiscard]] std::uint32_t chunk_size() const { return chunk_size_; }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  [[nodiscard]] const crypto::Digest& root() const { return root_; }
  [[nodiscard]] ByteView chunk(std::uint64_t i) const {
    const ByteView rest = ByteView{bytes_}.subspan(i * chunk_size_);
    return rest.first(std::min<std::size_t>(rest.size(), chunk_size_));
  }
  crypto::Digest node(Bin bin) {
    if (bin.range().first.value() >= chunks()) return crypto::Digest{crypto::digest_size(hasher_.algorithm())};
    if (const auto known = nodes_.find(bin); known != nodes_.end()) return known->second;
    crypto::Digest hash;
    if (bin.is_leaf()) {
      hash = hasher_.hash(chunk(bin.range().first.value()));
    } else {
      const auto left = node(bin.left()), right = node(bin.right());
      hash = hasher_.hash_pair(left, right);
    }
    return nodes_[bin] = hash;
  }
  // The leaf, and each node and sibling on the way up: what arrives with a chunk.
  void put_path(tree::NodeStore& store, std::uint64_t i) {
    const Bin root = root_bin(chunks());
    for (Bin bin = Bin::leaf(ChunkIndex{i}); bin != root; bin = bin.parent()) {
      store.put(bin, node(bin));
      if (bin.sibling().range().first.value() < chunks()) store.put(bin.sibling(), node(bin.sibling()));
    }
    store.put(root, root_);
  }
  // A run of verified chunks, as the engine hands them over.
  std::expected<void, Error> write(StaticStore& store, std::uint64_t first, std::uint64_t count, Time now) {
    std::vector<ByteView> views;
    for (std::uint64_t i = first; i < first + count; ++i) {
      put_path(store.nodes(), i);
      views.push_back(chunk(i));
    }
    return store.write(ChunkIndex{first}, views, now);
  }

 private:
  Bytes bytes_;
  std::uint32_t chunk_size_;
  TestHasher hasher_;
  crypto::Digest root_;
  std::map<Bin, crypto::Digest> nodes_;
};

// Whether every claimed chunk in the file is right, with its leaf and its path to the root in the tree. Empty if so.
inline std::string problem_of(StaticStore& store, Content& content, Time now) {
  Bytes buffer(content.chunk_size());
  for (const ChunkRange run : store.verified()) {
    for (std::uint64_t i = run.first.value(); i <= run.last.value(); ++i) {
      const ByteView expected = content.chunk(i);
      const auto got = store.read(i * content.chunk_size(), base::MutableByteView{buffer}.first(expected.size()), now);
      if (!got) return "chunk " + std::to_string(i) + ": " + message(got.error());
      if (!base::equal(ByteView{buffer}.first(*got), expected)) return "chunk " + std::to_string(i) + " differs";
      const Bin root = root_bin(content.chunks());
      for (Bin bin = Bin::leaf(ChunkIndex{i}); bin != root; bin = bin.parent()) {
        if (store.nodes().get(bin) != content.node(bin)) return "node " + std::to_string(bin.number()) + " differs";
        if (bin.sibling().range().first.value() < content.chunks() && store.nodes().get(bin.sibling()) != content.node(bin.sibling())) {
          return "sibling " + std::to_string(bin.sibling().number()) + " differs";
        }
      }
    }
  }
  return {};
}

}  // namespace runnel::store::test
