#include "core/discovery/bencode.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace runnel::discovery {
namespace {

auto decode(std::string_view text, BencodeKeys keys = BencodeKeys::sorted) { return decode_bencode(base::as_bytes(text), keys); }
BencodeError error_of(std::string_view text) { return decode(text).error(); }

TEST(Bencode, decodes_each_kind_of_value) {
  const std::string input = "d3:inti-42e4:listli1e3:abce6:string3:xyze";
  const auto value = decode(input);
  ASSERT_TRUE(value) << message(value.error());
  EXPECT_EQ(*value->find_integer("int"), -42);
  EXPECT_EQ(base::as_text(*value->find_string("string")), "xyz");
  ASSERT_NE(value->find("list"), nullptr);
  EXPECT_EQ(value->find("list")->list()->size(), 2U);
  EXPECT_EQ(value->find("nothing"), nullptr);
  EXPECT_EQ(value->find_integer("string"), nullptr) << "another type";
}

TEST(Bencode, refuses_what_bep_3_does_not_allow) {
  for (const char* text :
       {"",    "i", "ie",   "i-e", "i-0e",  "i03e",     "i+3e", "i 3e", "i3", "i99999999999999999999e", "3:ab",        "03:abc",
        "-1:", "l", "li1e", "d",   "d1:ae", "di1e1:ae", "x",    "1",    "1:", "18446744073709551616:a", "4294967295:a"}) {
    EXPECT_EQ(error_of(text), BencodeError::malformed) << text;
  }
  EXPECT_EQ(error_of("i1ei2e"), BencodeError::trailing_bytes);
  EXPECT_EQ(error_of("d1:b0:1:a0:e"), BencodeError::unsorted_keys);
  EXPECT_EQ(error_of("d1:a0:1:a0:e"), BencodeError::unsorted_keys) << "twice the same key";
}

TEST(Bencode, every_error_has_words_of_its_own) {
  std::set<std::string> words;
  for (const auto error : {BencodeError::malformed, BencodeError::too_large, BencodeError::too_deep, BencodeError::too_many_values,
                           BencodeError::trailing_bytes, BencodeError::unsorted_keys})
    words.insert(message(error));
  EXPECT_EQ(words.size(), 6U);
}

TEST(Bencode, takes_any_order_of_keys_where_told_to) {
  const auto value = decode("d1:b1:x1:a1:y1:b1:ze", BencodeKeys::any_order);
  ASSERT_TRUE(value);
  EXPECT_EQ(base::as_text(*value->find_string("b")), "x");
  EXPECT_EQ(base::as_text(*value->find_string("a")), "y");
}

TEST(Bencode, its_limits_are_reached) {
  const auto nested = [](std::size_t depth) { return std::string(depth, 'l') + std::string(depth, 'e'); };
  EXPECT_TRUE(decode(nested(kMaxBencodeDepth)));
  EXPECT_EQ(error_of(nested(kMaxBencodeDepth + 1)), BencodeError::too_deep);
  EXPECT_EQ(error_of(nested(100'000)), BencodeError::too_deep) << "no deep recursion either";
  const auto many = [](std::size_t values) {
    std::string text = "l";
    for (std::size_t i = 1; i < values; ++i) text += "0:";
    return text + 'e';
  };
  EXPECT_TRUE(decode(many(kMaxBencodeValues)));
  EXPECT_EQ(error_of(many(kMaxBencodeValues + 1)), BencodeError::too_many_values);
  const std::string size = std::to_string(kMaxBencodeBytes - 8);
  const std::string largest = size + ':' + std::string(kMaxBencodeBytes - 8, 'x');
  ASSERT_EQ(largest.size(), kMaxBencodeBytes);
  EXPECT_TRUE(decode(largest));
  EXPECT_EQ(error_of(std::string(kMaxBencodeBytes + 1, 'x')), BencodeError::too_large);
}

std::string any_value(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 0 ? 4 : 2);
  std::string out;
  BencodeWriter writer(out);
  if (kind == 0) writer.integer(*rc::gen::arbitrary<std::int64_t>());
  if (kind == 1) writer.string(*rc::gen::arbitrary<std::string>());
  if (kind == 2) {
    writer.begin_list();
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) out += any_value(depth - 1);
    writer.end();
  }
  if (kind == 3) {
    writer.begin_dict();
    std::set<std::string> keys;   // few: a value's size grows with a power of it
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) keys.insert(*rc::gen::arbitrary<std::string>());
    for (const std::string& key : keys) writer.string(key), out += any_value(depth - 1);
    writer.end();
  }
  return out;
}

RC_GTEST_PROP(Bencode, every_encoding_decodes_and_encodes_to_itself, ()) {
  const std::string text = any_value(3);
  const auto value = decode(text);
  RC_ASSERT(value.has_value());
  RC_ASSERT(encode_bencode(*value) == text);
}

RC_GTEST_PROP(Bencode, whatever_decodes_strictly_has_one_encoding, (const std::vector<std::uint8_t>& noise)) {
  std::string text(noise.begin(), noise.end());
  const auto value = decode(text);
  if (value) RC_ASSERT(encode_bencode(*value) == text);
}

RC_GTEST_PROP(Bencode, a_flipped_byte_never_does_worse_than_an_error, ()) {
  std::string text = any_value(3);
  text[*rc::gen::inRange<std::size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
  const auto value = decode(text);
  if (value) RC_ASSERT(encode_bencode(*value) == text);
}

}  // namespace
}  // namespace runnel::discovery
