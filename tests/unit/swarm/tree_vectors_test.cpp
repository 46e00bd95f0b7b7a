// Every line of tests/vectors/trees.txt, which the reference peer made: static trees, munros and what is signed.
#include <gtest/gtest.h>

#include <charconv>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "core/swarm/content.hpp"
#include "core/tree/memory_node_store.hpp"
#include "core/wire/chunk_spec.hpp"
#include "crypto/openssl.hpp"

namespace runnel::swarm {
namespace {

using tree::Bin;
using tree::ChunkIndex;
using tree::ChunkRange;

struct Line {
  std::string kind;
  std::vector<std::string> said;      // words behind the first
  std::vector<std::string> result;    // words behind the arrow
  std::string text;                   // for whoever reads a failure

  // name=value
  [[nodiscard]] std::string value(const std::string& name) const {
    for (const std::string& word : said) {
      if (word.starts_with(name + "=")) return word.substr(name.size() + 1);
    }
    return {};
  }
  [[nodiscard]] std::uint64_t number(const std::string& name) const { return std::stoull(value(name)); }
};

std::vector<Line> read_lines() {
  std::ifstream file{std::string{RUNNEL_TEST_VECTORS} + "/trees.txt"};
  EXPECT_TRUE(file) << "tests/vectors/trees.txt is not there";
  std::vector<Line> lines;
  for (std::string text; std::getline(file, text);) {
    if (text.empty() || text[0] == '#') continue;
    Line line;
    line.text = text;
    std::istringstream words{text};
    words >> line.kind;
    bool behind = false;
    for (std::string word; words >> word;) {
      if (word == "=>")
        behind = true;
      else
        (behind ? line.result : line.said).push_back(word);
    }
    lines.push_back(line);
  }
  return lines;
}

// Hex, or N*hh for a run of equal bytes.
base::Bytes bytes_of(const std::string& text) {
  const auto star = text.find('*');
  if (star == std::string::npos) return base::from_hex(text).value();
  return base::Bytes(std::stoull(text.substr(0, star)), base::from_hex(text.substr(star + 1)).value().at(0));
}

ChunkRange range_of(const std::string& text) {
  const auto dots = text.find("..");
  const std::uint64_t first = std::stoull(text);
  return {ChunkIndex{first}, ChunkIndex{dots == std::string::npos ? first : std::stoull(text.substr(dots + 2))}};
}

std::vector<ChunkRange> ranges_of(const std::vector<std::string>& words) {
  std::vector<ChunkRange> ranges;
  for (const std::string& word : words) {
    if (word != "-") ranges.push_back(range_of(word));
  }
  return ranges;
}

std::vector<ChunkRange> ranges_of(const std::vector<tree::NodeHash>& nodes) {
  std::vector<ChunkRange> ranges;
  for (const tree::NodeHash& node : nodes) ranges.push_back(node.bin.range());
  return ranges;
}

// The tree that the lines below a head speak of, and what it was made from.
struct Tree {
  std::unique_ptr<crypto::Hasher> hasher;
  tree::MemoryNodeStore nodes;
  Bin top;
  std::uint64_t chunks = 0;
  crypto::Digest hash;
  Metadata metadata;
  std::uint64_t timestamp = 0;

  [[nodiscard]] tree::HashTree view() {
    tree::HashTree tree{nodes, *hasher};
    if (chunks > 0) tree.set_content(chunks, hash);
    return tree;
  }
};

std::unique_ptr<Tree> grow_static(const Line& line) {
  auto grown = std::make_unique<Tree>();
  grown->hasher = crypto::make_hasher(static_cast<crypto::HashAlgorithm>(line.number("hash")));
  const base::Bytes content = bytes_of(line.value("content"));
  const std::size_t size = line.number("chunk");
  std::vector<crypto::Digest> leaves;
  for (std::size_t at = 0; at < content.size(); at += size)
    leaves.push_back(grown->hasher->hash(base::ByteView{content}.subspan(at, std::min(size, content.size() - at))));
  grown->chunks = leaves.size();
  grown->top = tree::HashTree::root_bin(leaves.size());
  grown->hash = tree::build_munro(grown->nodes, *grown->hasher, grown->top, leaves);
  return grown;
}

std::unique_ptr<Tree> grow_munro(const Line& line) {
  auto grown = std::make_unique<Tree>();
  grown->metadata.live = true;
  grown->metadata.hash = static_cast<crypto::HashAlgorithm>(line.number("hash"));
  grown->metadata.addressing = static_cast<wire::AddressingMethod>(line.number("addressing"));
  if (line.value("us").empty()) {
    grown->timestamp = line.number("ntp");
  } else {   // as older peers have it
    grown->timestamp = line.number("us");
    grown->metadata.chunk_size = static_cast<std::uint32_t>(line.number("chunk"));
    grown->metadata.id = {std::byte{13}};
    EXPECT_TRUE(grown->metadata.compat());
  }
  grown->hasher = crypto::make_hasher(grown->metadata.hash);
  grown->top = Bin::of(range_of(line.said[0])).value();
  grown->metadata.munro_width = static_cast<std::uint32_t>(grown->top.range().count());
  std::vector<crypto::Digest> leaves;
  std::istringstream contents{line.value("leaves")};
  for (std::string word; std::getline(contents, word, ',');) leaves.push_back(grown->hasher->hash(bytes_of(word)));
  grown->hash = tree::build_munro(grown->nodes, *grown->hasher, grown->top, leaves);
  return grown;
}

// Keeps what it was asked to check.
class Listening final : public crypto::Verifier {
 public:
  bool verify(base::ByteView message, base::ByteView) override {
    heard = base::to_bytes(message);
    return true;
  }
  [[nodiscard]] std::size_t signature_size() const override { return 64; }
  base::Bytes heard;
};

// Whether a viewer of that munro takes this signature.
bool taken(Tree& grown, crypto::Verifier& verifier, base::ByteView signature) {
  tree::MemoryNodeStore nodes;
  LiveContent content{grown.metadata, {&nodes, grown.hasher.get(), &verifier, nullptr}};
  tree::HashInbox inbox;
  inbox.offer(grown.top, grown.hash);
  return content.offer_signed({grown.top.range(), wire::NtpTimestamp{grown.timestamp}, signature}, inbox);
}

void check_static(Tree& grown, const Line& line) {
  tree::HashTree tree = grown.view();
  if (line.kind == "root") {
    EXPECT_EQ(grown.top.range(), range_of(line.said[0]));
    EXPECT_EQ(base::to_bytes(grown.hash.view()), bytes_of(line.result[0]));
  } else if (line.kind == "peaks") {
    std::vector<tree::NodeHash> peaks;
    for (const Bin peak : tree::HashTree::peaks(grown.chunks)) peaks.push_back({peak, tree.known(peak).value()});
    EXPECT_EQ(ranges_of(peaks), ranges_of(line.result));
    tree::MemoryNodeStore fresh;
    EXPECT_EQ((tree::HashTree{fresh, *grown.hasher}.learn_peaks(peaks, grown.hash)), grown.chunks);
  } else if (line.kind == "node") {
    const Bin node{std::stoull(line.said[0])};
    EXPECT_EQ(node.range(), range_of(line.said[1]));
    EXPECT_EQ(base::to_bytes(tree.known(node).value().view()), bytes_of(line.result[0]));
  } else {
    ADD_FAILURE() << "a line of an unknown kind";
  }
}

void check_uncles(Tree& grown, const Line& line) {
  const ChunkIndex chunk{std::stoull(line.said[0])};
  Bin top = grown.top;
  if (line.said.back() == "peak") {
    for (const Bin peak : tree::HashTree::peaks(grown.chunks)) {
      if (peak.range().contains(chunk)) top = peak;
    }
  }
  tree::HashTree tree = grown.view();
  std::vector<tree::NodeHash> hashes;
  ASSERT_TRUE(tree::uncles(tree, chunk, top, [](ChunkRange) { return false; }, hashes));
  EXPECT_EQ(ranges_of(hashes), ranges_of(line.result));
}

void check_signed(Tree& grown, const Line& line) {
  if (line.kind == "signed") {
    Listening listening;
    EXPECT_TRUE(taken(grown, listening, base::Bytes(64)));
    EXPECT_EQ(listening.heard, bytes_of(line.result[0]));
    return;
  }
  const auto verifier = crypto::make_verifier(bytes_of(line.value("swarm")));
  ASSERT_TRUE(verifier);
  const base::Bytes signature = bytes_of(line.said[1]);
  EXPECT_EQ((*verifier)->signature_size(), signature.size());
  EXPECT_EQ(taken(grown, **verifier, signature), line.result[0] == "valid");
}

void check_bins(const Line& line) {
  if (line.kind == "bin") {
    const Bin bin{std::stoull(line.said[0])};
    const auto told = [&](const std::string& name) {
      for (const std::string& word : line.result) {
        if (word.starts_with(name + "=")) return word.substr(name.size() + 1);
      }
      return std::string{};
    };
    EXPECT_EQ(bin.layer(), std::stoull(told("layer")));
    EXPECT_EQ(bin.range(), range_of(told("chunks")));
    EXPECT_EQ(bin.parent().number(), std::stoull(told("parent")));
    EXPECT_EQ(bin.sibling().number(), std::stoull(told("sibling")));
    EXPECT_EQ(Bin::of(bin.range()), bin);
    return;
  }
  wire::Format format;
  format.addressing = wire::AddressingMethod::bins64;
  std::vector<ChunkRange> parts;
  for (ChunkRange rest = range_of(line.said[0]);; rest.first = ChunkIndex{parts.back().last.value() + 1}) {
    parts.push_back(wire::expressible_front(rest, format));
    if (parts.back().last >= rest.last) break;
  }
  EXPECT_EQ(parts, ranges_of(line.result));
}

TEST(TreeVectors, both_programs_make_the_same_trees_munros_and_signed_bytes) {
  std::unique_ptr<Tree> grown;
  // Not of this program: Sign All (RFC 7574 6.1: OPTIONAL), and byte ranges in a stream, whose chunks have no fixed size.
  bool left_out = false;
  std::map<std::string, int> checked;
  for (const Line& line : read_lines()) {
    SCOPED_TRACE(line.text);
    if (line.kind == "split" || line.kind == "bin") {
      check_bins(line);
    } else if (line.kind == "static" || line.kind == "munro" || line.kind == "chunk") {
      left_out = line.kind == "chunk" || (line.kind == "munro" && line.value("addressing") == "1");
      grown = line.kind == "static" ? grow_static(line) : line.kind == "munro" ? grow_munro(line) : nullptr;
      if (line.kind == "munro") EXPECT_EQ(base::to_bytes(grown->hash.view()), bytes_of(line.result[0]));
    } else if (left_out) {
      continue;
    } else if (line.kind == "uncles") {
      check_uncles(*grown, line);
    } else if (line.kind == "signed" || line.kind == "signature") {
      check_signed(*grown, line);
    } else {
      check_static(*grown, line);
    }
    ++checked[line.kind];
  }
  for (const char* kind : {"split", "bin", "static", "root", "peaks", "node", "uncles", "munro", "signed", "signature"})
    EXPECT_GT(checked[kind], 0) << kind;
}

}  // namespace
}  // namespace runnel::swarm
