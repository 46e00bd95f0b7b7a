// A tree file under puts, gets, flushes, reopening and damage, against a plain map: what it gives back was put there. It may forget what
// damage took.
#include <filesystem>
#include <map>

#include "base/check.hpp"
#include "fuzz/input.hpp"
#include "fuzz/scratch.hpp"
#include "store/tree_file.hpp"

using namespace runnel;
using namespace runnel::store;

namespace {

constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kPages = 2;   // so that pages come and go

TreeFile open(const std::filesystem::path& path) {
  auto file = File::open(path, OpenMode::create);
  base::check(file.has_value(), "the scratch file opens");
  return {std::move(*file), kDigestBytes, false, kPages};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  const std::filesystem::path path = fuzz::scratch_file("tree");
  std::filesystem::remove(path);
  std::map<std::uint64_t, crypto::Digest> put;
  bool damaged = false;
  auto tree = std::make_unique<TreeFile>(open(path));
  for (int steps = 0; steps < 64 && !input.empty(); ++steps) {
    const std::uint8_t choice = input.octet();
    const tree::Bin bin{input.word()};
    switch (choice % 6) {
      case 0:
      case 1: {
        const crypto::Digest hash{base::Bytes(kDigestBytes, static_cast<std::byte>(choice))};
        tree->put(bin, hash);
        put.insert_or_assign(bin.number(), hash);
        break;
      }
      case 2: base::check(tree->flush().has_value(), "a flush succeeds"); break;
      case 3:
        base::check(tree->flush().has_value(), "a flush succeeds");
        tree.reset();
        tree = std::make_unique<TreeFile>(open(path));
        break;
      case 4: {
        auto file = File::open(path, OpenMode::update);
        const std::byte changed{choice};
        base::check(file && file->write_at(bin.number() * 4, {&changed, 1}).has_value(), "damage is done");
        damaged = true;
        break;
      }
      case 5:
        base::check(tree->clear().has_value(), "a clear succeeds");
        put.clear();
        break;
    }
    for (const tree::Bin asked : {bin, bin.sibling(), bin.parent()}) {
      const auto found = tree->get(asked);
      const auto known = put.find(asked.number());
      if (found) base::check(known != put.end() && *found == known->second, "what it gives back was put there");
      if (!found && !damaged) base::check(known == put.end(), "nothing is lost");
    }
  }
  tree.reset();
  std::filesystem::remove(path);
  return 0;
}
