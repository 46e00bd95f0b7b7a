#include "core/swarm/push_messages.hpp"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace runnel::swarm {
namespace {

wire::Format small_format() {
  wire::Format format;
  format.hash_size = 4;
  format.signature_size = 6;
  return format;
}

std::string hex32(std::uint32_t value) {
  base::Bytes bytes;
  base::Writer{bytes}.write(value);
  return base::to_hex(bytes);
}
std::string hex_of(std::span<const std::uint8_t> bytes) { return base::to_hex(std::as_bytes(bytes)); }

std::string text(const Path& path) {
  std::string all;
  for (const NodeTag tag : path) all += (all.empty() ? "" : ",") + hex32(tag.value());
  return " path=" + all;
}
std::string text(const MunroMap& map) {
  std::string all;
  for (const MunroMap::Entry& e : map.entries) all += " " + std::to_string(e.munro) + ":" + (e.whole ? "whole" : hex32(e.chunks));
  return all;
}
std::string text(std::uint8_t tree) { return " tree=" + std::to_string(tree); }

struct ToText {
  std::string operator()(const Subscribe& m) const { return "SUBSCRIBE" + text(m.tree) + " key=" + std::to_string(m.key); }
  std::string operator()(const Accept& m) const { return "ACCEPT" + text(m.tree) + text(m.path); }
  std::string operator()(const Refuse& m) const {
    constexpr std::array kReasons{" full", " starving", " loop"};
    return "REFUSE" + text(m.tree) + kReasons[static_cast<std::size_t>(m.reason)] + " hint=" + hex32(m.hint.value()) +
           (m.place != 0 ? " place=" + std::to_string(m.place) : "");
  }
  std::string operator()(const Redirect& m) const { return "REDIRECT" + text(m.tree) + " hint=" + hex32(m.hint.value()); }
  std::string operator()(const Unsubscribe& m) const { return "UNSUBSCRIBE" + text(m.tree); }
  std::string operator()(const PathNews& m) const { return "PATH" + text(m.tree) + text(m.path); }
  std::string operator()(const Advert& m) const {
    std::ostringstream out;
    out << "ADVERT uplink=" << m.uplink << " room=" << int{m.room} << " queue=" << int{m.queue} << " sent=" << m.sent_us
        << " echo=" << m.echo_us << " held=" << m.held_us << " delay=" << m.delay_us << " lag=" << hex_of(m.lag)
        << " weakest=" << hex_of(m.weakest_rank);
    return out.str();
  }
  std::string operator()(const HaveMap& m) const { return "HAVE_MAP" + text(m.map); }
  std::string operator()(const Nack& m) const { return "NACK" + text(m.map); }
  std::string operator()(const Busy& m) const { return "BUSY " + std::to_string(m.queue_ms) + text(m.map); }
  std::string operator()(const Bundle& m) const {
    std::string all;
    for (const crypto::Digest& leaf : m.leaves) all += (all.empty() ? "" : ",") + base::to_hex(leaf.view());
    return "BUNDLE " + std::to_string(m.munro) + " ntp=" + std::to_string(m.timestamp.value()) + " " + base::to_hex(m.signature) +
           " leaves=" + all;
  }
  std::string operator()(const Train& m) const {
    return "TRAIN " + std::to_string(m.number) + " datagrams=" + std::to_string(m.datagrams) + " size=" + std::to_string(m.size);
  }
  std::string operator()(const Spread& m) const {
    return "SPREAD " + std::to_string(m.train) + " datagrams=" + std::to_string(m.datagrams) + " us=" + std::to_string(m.us);
  }
  std::string operator()(const Roots& m) const {
    std::string all;
    for (const NodeTag tag : m.roots) all += (all.empty() ? "" : ",") + hex32(tag.value());
    return "ROOTS " + all;
  }
  std::string operator()(const Introduce& m) const { return "INTRODUCE " + hex32(m.whom.value()); }
};

TEST(PushMessages, every_vector_is_read_and_written_as_it_says) {
  std::ifstream file{std::string{RUNNEL_TEST_VECTORS} + "/push.txt"};
  ASSERT_TRUE(file);
  int lines = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    ++lines;
    const std::size_t arrow = line.find(" => ");
    std::istringstream words{line.substr(0, arrow)};
    std::string verdict;
    std::uint16_t type = 0;
    words >> verdict >> type;
    std::string hex;
    for (std::string part; words >> part;) hex += part == "-" ? "" : part;
    const auto value = base::from_hex(hex);
    ASSERT_TRUE(value) << line;
    const auto message = decode_push(type, *value, small_format());
    ASSERT_EQ(message.has_value(), verdict != "reject") << line;
    if (!message) continue;
    EXPECT_EQ(std::visit(ToText{}, *message), line.substr(arrow + 4));
    EXPECT_EQ(type_of(*message), type) << line;
    if (verdict == "accept") {
      EXPECT_EQ(base::to_hex(encode_push(*message)), hex) << line;
    }
  }
  EXPECT_GT(lines, 30);
}

MunroMap some_map(std::size_t most) {
  MunroMap map;
  std::uint64_t at = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 40);
  const auto count = *rc::gen::inRange<std::size_t>(0, most);
  for (std::size_t i = 0; i < count; ++i) {
    const bool whole = *rc::gen::arbitrary<bool>();
    const auto chunks = *rc::gen::arbitrary<std::uint32_t>();
    map.entries.push_back({at, whole, whole ? 0 : chunks | 1});
    at += *rc::gen::inRange<std::uint64_t>(1, 300);
  }
  return map;
}

RC_GTEST_PROP(PushMessages, maps_come_back_as_they_went, ()) {
  const MunroMap map = some_map(40);
  for (const PushMessage& message : {PushMessage{HaveMap{map}}, PushMessage{Nack{map}}, PushMessage{Busy{77, map}}}) {
    const auto back = decode_push(type_of(message), encode_push(message), small_format());
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == message);
  }
}

RC_GTEST_PROP(PushMessages, whatever_bytes_come_nothing_goes_past_its_limits, (const std::vector<std::uint8_t>& bytes)) {
  for (std::uint16_t type = 0; type < 16; ++type) {
    const auto message = decode_push(type, std::as_bytes(std::span{bytes}), small_format());
    if (!message) continue;
    RC_ASSERT(type_of(*message) == type);
    if (const auto* have = std::get_if<HaveMap>(&*message)) RC_ASSERT(have->map.entries.size() <= kMaxMapEntries);
    if (const auto* path = std::get_if<PathNews>(&*message)) RC_ASSERT(path->path.size() <= kMaxPath);
    // What was read can be written, and reads the same.
    RC_ASSERT(decode_push(type, encode_push(*message), small_format()) == message);
  }
}

TEST(PushMessages, a_map_has_so_many_entries_and_a_path_so_many_nodes) {
  base::Bytes map(8);
  map.insert(map.end(), 1, std::byte{0x80});
  map.insert(map.end(), kMaxMapEntries - 1, std::byte{0x81});
  EXPECT_TRUE(decode_push(HaveMap::kType, map, small_format()));
  map.push_back(std::byte{0x81});
  EXPECT_FALSE(decode_push(HaveMap::kType, map, small_format()));
  base::Bytes path(1 + 4 * kMaxPath);
  EXPECT_TRUE(decode_push(PathNews::kType, path, small_format()));
  path.resize(path.size() + 4);
  EXPECT_FALSE(decode_push(PathNews::kType, path, small_format()));
}

TEST(PushMessages, a_bundle_has_at_most_as_many_leaves_as_a_munro) {
  base::Bytes value(8 + 8 + 6 + 4 * kPushMunroWidth, std::byte{1});
  value[0] = std::byte{0};
  EXPECT_TRUE(decode_push(Bundle::kType, value, small_format()));
  value.resize(value.size() + 4, std::byte{1});
  EXPECT_FALSE(decode_push(Bundle::kType, value, small_format()));
}

TEST(PushTrees, the_chunks_of_a_munro_are_spread_evenly) {
  std::array<int, kSubstreams> counts{};
  for (std::uint64_t munro = 435'488'681'472; munro < 435'488'681'472 + 1600; ++munro) {
    std::array<int, kSubstreams> here{};
    for (unsigned leaf = 0; leaf < kPushMunroWidth; ++leaf) ++here[tree_of(munro, leaf)];
    for (const int count : here) EXPECT_EQ(count, 2);
    ++counts[tree_of(munro, 0)];
  }
  for (const int count : counts) EXPECT_NEAR(count, 100, 40);
}

}  // namespace
}  // namespace runnel::swarm
