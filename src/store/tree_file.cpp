#include "store/tree_file.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/check.hpp"
#include "base/rng.hpp"

namespace runnel::store {
namespace {

constexpr std::size_t kBitsAt = TreePageLayout::kHeaderBytes;
constexpr std::size_t kMaxRun = 128;   // pages in one write

std::byte bit_of(std::size_t node) { return std::byte{1} << (node % 8); }

// Little endian.
std::uint64_t word_at(const std::byte* from) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  return std::endian::native == std::endian::little ? word : std::byteswap(word);
}

bool is_hole(std::span<const std::byte> page) {
  std::uint64_t any = 0;
  for (std::size_t at = 0; at < page.size(); at += sizeof any) any |= word_at(page.data() + at);
  return any == 0;
}

}  // namespace

TreeFile::TreeFile(File file, std::size_t digest_bytes, bool read_only, std::size_t max_pages)
    : file_(std::move(file)), layout_(digest_bytes), read_only_(read_only), max_pages_(max_pages) {
  base::check(digest_bytes > 0 && max_pages >= 2, "a tree file needs digests and room for two pages");
  const auto identity = file_.identity();
  began_empty_ = identity && identity->size == 0;
}

// Four lanes, so that the multiplications overlap; a torn page passes with 2^-64. Not against forgery: who can write the index can
// write anything.
std::uint64_t TreeFile::checksum(const Page& page) const {
  std::uint64_t lanes[4] = {page.number, layout_.digest_bytes, 0x9e37'79b9'7f4a'7c15, 0};
  std::size_t lane = 0;
  for (std::size_t at = 8; at + 8 <= TreePageLayout::kPageBytes; at += 8) {
    lanes[lane] = std::rotl((lanes[lane] ^ word_at(page.bytes.data() + at)) * 0xff51'afd7'ed55'8ccd, 29);
    lane = (lane + 1) % 4;
  }
  const std::uint64_t sum = base::mix64(lanes[0] ^ base::mix64(lanes[1] ^ base::mix64(lanes[2] ^ base::mix64(lanes[3]))));
  return sum == 0 ? 1 : sum;   // 0 is a hole
}

std::optional<crypto::Digest> TreeFile::get(tree::Bin bin) {
  Page* const found = page(bin.number() / layout_.nodes_per_page);
  if (found == nullptr) return std::nullopt;
  const std::size_t node = bin.number() % layout_.nodes_per_page;
  if ((found->bytes[kBitsAt + node / 8] & bit_of(node)) == std::byte{0}) return std::nullopt;
  return crypto::Digest{base::ByteView{found->bytes}.subspan(layout_.digest_offset(node), layout_.digest_bytes)};
}

void TreeFile::put(tree::Bin bin, const crypto::Digest& hash) {
  base::check(hash.size() == layout_.digest_bytes, "a digest of another algorithm");
  if (read_only_) return;
  Page* const found = page(bin.number() / layout_.nodes_per_page);
  if (found == nullptr) {
    lost_ = last_error_.value_or(Error{Fault::io_failed, 0, file_.path()});
    return;
  }
  const std::size_t node = bin.number() % layout_.nodes_per_page;
  std::byte& bits = found->bytes[kBitsAt + node / 8];
  std::byte* const digest = found->bytes.data() + layout_.digest_offset(node);
  if ((bits & bit_of(node)) != std::byte{0} && std::memcmp(digest, hash.view().data(), hash.size()) == 0) return;
  bits |= bit_of(node);
  std::memcpy(digest, hash.view().data(), hash.size());
  if (!found->dirty) {
    found->dirty = true;
    dirty_.push_back(found);
  }
}

TreeFile::Page* TreeFile::page(std::uint64_t number) {
  if (last_ != nullptr && last_->number == number) return last_;
  if (const auto found = by_number_.find(number); found != by_number_.end()) {
    last_ = found->second;
    last_->used = true;
    return last_;
  }
  last_ = nullptr;
  Page* const room = free_page();
  if (room == nullptr || !load(*room, number)) return nullptr;
  if (spare_) {   // of the page that made room
    spare_.key() = number;
    spare_.mapped() = room;
    by_number_.insert(std::move(spare_));
  } else {
    by_number_.emplace(number, room);
  }
  room->used = true;
  last_ = room;
  return room;
}

// A page that holds nothing: a new one, or by the clock algorithm one not used lately. It is in no table then.
TreeFile::Page* TreeFile::free_page() {
  if (pages_.size() < max_pages_) {
    pages_.push_back(std::make_unique<Page>());
    pages_.back()->number = kNoPage;
    return pages_.back().get();
  }
  // Writing them all at once makes runs of neighbours.
  if (dirty_.size() >= max_pages_ / 2) {
    if (auto written = flush(); !written) last_error_ = written.error();
  }
  for (std::size_t steps = 0; steps < 2 * pages_.size(); ++steps) {
    Page& candidate = *pages_[hand_];
    hand_ = (hand_ + 1) % pages_.size();
    if (candidate.dirty) continue;
    if (std::exchange(candidate.used, false)) continue;
    spare_ = by_number_.extract(candidate.number);
    candidate.number = kNoPage;
    return &candidate;
  }
  return nullptr;
}

// A tree that grows asks for each page once before it is there.
bool TreeFile::may_be_in_file(std::uint64_t number) const { return !began_empty_ || (number < written_.size() && written_[number]); }

void TreeFile::note_written(std::uint64_t number) {
  if (number >= written_.size()) written_.resize(number + 1);
  written_[number] = true;
}

bool TreeFile::load(Page& page, std::uint64_t number) {
  page.number = number;
  std::size_t got = 0;
  if (may_be_in_file(number)) {
    const auto read = file_.read_at(number * TreePageLayout::kPageBytes, page.bytes);
    if (!read) {
      page.number = kNoPage;
      last_error_ = read.error();
      return false;
    }
    got = *read;
  }
  std::fill(page.bytes.begin() + static_cast<std::ptrdiff_t>(got), page.bytes.end(), std::byte{0});
  if (got == 0) return true;
  const std::uint64_t stored = word_at(page.bytes.data());
  if (!(stored == 0 && is_hole(page.bytes)) && stored != checksum(page)) {
    ++damaged_pages_;
    page.bytes.fill(std::byte{0});
  }
  return true;
}

std::expected<void, Error> TreeFile::flush() {
  if (lost_) return std::unexpected(*lost_);
  std::ranges::sort(dirty_, {}, [](const Page* p) { return p->number; });
  std::vector<base::ByteView>& run = run_;
  std::size_t done = 0;
  while (done < dirty_.size()) {
    run.clear();
    const std::uint64_t first = dirty_[done]->number;
    while (done + run.size() < dirty_.size() && run.size() < kMaxRun && dirty_[done + run.size()]->number == first + run.size()) {
      Page& page = *dirty_[done + run.size()];
      const std::uint64_t sum = checksum(page);
      for (std::size_t i = 0; i < 8; ++i) page.bytes[i] = static_cast<std::byte>(sum >> (8 * i));
      run.emplace_back(page.bytes);
    }
    if (auto written = file_.write_at(first * TreePageLayout::kPageBytes, run); !written) {
      dirty_.erase(dirty_.begin(), dirty_.begin() + static_cast<std::ptrdiff_t>(done));
      return written;
    }
    for (std::size_t i = 0; i < run.size(); ++i) {
      dirty_[done + i]->dirty = false;
      if (began_empty_) note_written(first + i);
    }
    done += run.size();
  }
  dirty_.clear();
  return {};
}

std::expected<void, Error> TreeFile::clear() {
  if (auto emptied = file_.resize(0); !emptied) return emptied;
  pages_.clear();
  by_number_.clear();
  dirty_.clear();
  began_empty_ = true;
  written_.clear();
  last_ = nullptr;
  hand_ = 0;
  last_error_.reset();
  lost_.reset();
  return {};
}

}  // namespace runnel::store
