// A hash tree of any size in a flat sparse file, seen through a few megabytes of pages.
#pragma once
#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/tree/node_store.hpp"
#include "store/error.hpp"
#include "store/file.hpp"

namespace runnel::store {

// How nodes lie in a page of 4 KiB: u64 checksum (little endian), u64 zero, one bit per node that is there, the digests from the
// page's end backwards. Node b is number b % nodes_per_page of page b / nodes_per_page. Bins are numbered from left to
// right (RFC 7574 4.2), so a small subtree is one page or two neighbours, and no size need be known.
struct TreePageLayout {
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kHeaderBytes = 16;

  explicit constexpr TreePageLayout(std::size_t digest)
      : digest_bytes(digest), nodes_per_page((kPageBytes - kHeaderBytes) * 8 / (digest * 8 + 1)) {}
  [[nodiscard]] constexpr std::size_t digest_offset(std::size_t node) const { return kPageBytes - (node + 1) * digest_bytes; }

  std::size_t digest_bytes;
  std::size_t nodes_per_page;   // SHA-256: 127
};

// Each page carries a checksum, so one that a crash tore or the disk spoilt is as good as empty: what get() returns was put.
// One owner, not thread-safe.
class TreeFile final : public tree::NodeStore {
 public:
  static constexpr std::size_t kDefaultPages = 768;   // 3 MiB: the 27 levels of a 50 GB file and some 10,000 chunks' leaves

  TreeFile(File file, std::size_t digest_bytes, bool read_only, std::size_t max_pages = kDefaultPages);

  [[nodiscard]] std::optional<crypto::Digest> get(tree::Bin bin) override;
  void put(tree::Bin bin, const crypto::Digest& hash) override;

  // Writes what was put and is not in the file yet. When it fails, everything stays for the next try; but once put() had to drop a
  // node, because neither disk nor memory had room, it fails for good.
  std::expected<void, Error> flush();
  // Forgets everything, in the file too.
  std::expected<void, Error> clear();
  [[nodiscard]] const File& file() const { return file_; }
  [[nodiscard]] std::uint64_t damaged_pages() const { return damaged_pages_; }

 private:
  static constexpr std::uint64_t kNoPage = ~std::uint64_t{0};
  struct Page {
    std::array<std::byte, TreePageLayout::kPageBytes> bytes{};
    std::uint64_t number = 0;
    bool dirty = false;
    bool used = false;   // since the clock's hand passed
  };

  Page* page(std::uint64_t number);   // nullptr if it cannot be read or there is no room
  Page* free_page();
  bool load(Page& page, std::uint64_t number);
  [[nodiscard]] bool may_be_in_file(std::uint64_t number) const;
  void note_written(std::uint64_t number);
  [[nodiscard]] std::uint64_t checksum(const Page& page) const;

  File file_;
  TreePageLayout layout_;
  bool read_only_;
  std::size_t max_pages_;
  bool began_empty_ = false;     // then what is in the file is what was written since:
  std::vector<bool> written_;    // by page; 90 kB for a file of 50 GB
  std::vector<std::unique_ptr<Page>> pages_;
  std::unordered_map<std::uint64_t, Page*> by_number_;
  std::unordered_map<std::uint64_t, Page*>::node_type spare_;   // used again, so that pages come and go without an allocation
  std::vector<Page*> dirty_;
  std::vector<base::ByteView> run_;   // scratch of flush()
  Page* last_ = nullptr;   // most calls stay on one page
  std::size_t hand_ = 0;
  std::optional<Error> last_error_;   // of a page read, or a write inside put()
  std::optional<Error> lost_;         // why a node was dropped
  std::uint64_t damaged_pages_ = 0;
};

}  // namespace runnel::store
