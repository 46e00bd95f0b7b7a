// Tree nodes in memory: live windows, small static swarms, the simulator.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/check.hpp"
#include "core/tree/node_store.hpp"

namespace runnel::tree {

// By pages of neighbouring bins: all nodes of a munro of 32 chunks stand in one, and come and go together. Hashes of one size.
class MemoryNodeStore final : public NodeStore {
 public:
  std::optional<crypto::Digest> get(Bin bin) override {
    const auto it = pages_.find(page_of(bin));
    if (it == pages_.end() || (it->second.held & bit_of(bin)) == 0) return std::nullopt;
    return crypto::Digest{base::ByteView{it->second.hashes}.subspan(slot_of(bin) * hash_size_, hash_size_)};
  }
  void put(Bin bin, const crypto::Digest& hash) override {
    if (pages_.empty()) hash_size_ = hash.size();
    base::check(hash.size() == hash_size_, "a hash of another function");
    Page& page = pages_[page_of(bin)];
    page.hashes.resize(kPageNodes * hash_size_);
    page.held |= bit_of(bin);
    std::memcpy(page.hashes.data() + slot_of(bin) * hash_size_, hash.view().data(), hash_size_);
  }
  void drop(Bin bin) override {
    const std::uint64_t first = Bin::leaf(bin.range().first).number();
    const std::uint64_t last = Bin::leaf(bin.range().last).number();
    for (std::uint64_t page = first / kPageNodes; page <= last / kPageNodes; ++page) {
      const std::uint64_t from = page == first / kPageNodes ? first % kPageNodes : 0;
      const std::uint64_t until = page == last / kPageNodes ? last % kPageNodes : kPageNodes - 1;
      forget(page, (~std::uint64_t{0} << from) & (~std::uint64_t{0} >> (kPageNodes - 1 - until)));
    }
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t nodes = 0;
    for (const auto& [number, page] : pages_) nodes += static_cast<std::size_t>(std::popcount(page.held));
    return nodes;
  }

 private:
  static constexpr std::uint64_t kPageNodes = 64;   // bits of `held`
  struct Page {
    std::uint64_t held = 0;
    std::vector<std::byte> hashes;
  };
  static std::uint64_t page_of(Bin bin) { return bin.number() / kPageNodes; }
  static std::size_t slot_of(Bin bin) { return bin.number() % kPageNodes; }
  static std::uint64_t bit_of(Bin bin) { return std::uint64_t{1} << slot_of(bin); }

  void forget(std::uint64_t number, std::uint64_t bits) {
    const auto it = pages_.find(number);
    if (it == pages_.end()) return;
    it->second.held &= ~bits;
    if (it->second.held == 0) pages_.erase(it);
  }

  boost::unordered_flat_map<std::uint64_t, Page> pages_;
  std::size_t hash_size_ = 0;
};

}  // namespace runnel::tree
