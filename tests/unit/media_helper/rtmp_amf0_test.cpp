#include "media_helper/rtmp_amf0.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "rtmp_test_client.hpp"

namespace runnel::media_helper {
namespace {

using test::bytes_of;
using test::operator+;

base::Bytes text(std::string_view value) { return base::to_bytes(base::as_bytes(value)); }

TEST(RtmpAmf0, each_type_is_read_from_its_bytes) {
  const auto values = decode_amf0(bytes_of({0x00, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0}) +  // 1.5
                                  bytes_of({0x01, 1}) +                             // true
                                  bytes_of({0x02, 0, 2}) + text("hi") +             //
                                  bytes_of({0x05}) + bytes_of({0x06}) +             // null, undefined
                                  bytes_of({0x07, 0, 1}) +                          // a reference
                                  bytes_of({0x0a, 0, 0, 0, 1, 0x01, 0}) +           // [false]
                                  bytes_of({0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) +  // a date
                                  bytes_of({0x0c, 0, 0, 0, 1}) + text("x") +        // a long string
                                  bytes_of({0x0d}));
  ASSERT_TRUE(values.has_value());
  ASSERT_EQ(values->size(), 10U);
  EXPECT_EQ((*values)[0], Amf0Value{1.5});
  EXPECT_EQ((*values)[1], Amf0Value{true});
  EXPECT_EQ((*values)[2], Amf0Value{"hi"});
  EXPECT_EQ((*values)[3], Amf0Value{});
  EXPECT_EQ((*values)[7], Amf0Value{0.0});
  EXPECT_EQ((*values)[8], Amf0Value{"x"});
}

TEST(RtmpAmf0, an_object_and_an_ecma_array_give_their_properties) {
  const base::Bytes properties = bytes_of({0, 3}) + text("app") + bytes_of({0x02, 0, 4}) + text("live") + bytes_of({0, 0, 9});
  for (const base::Bytes& head : {bytes_of({0x03}), bytes_of({0x08, 0, 0, 0, 77}), bytes_of({0x10, 0, 1, 0x41})}) {
    const auto values = decode_amf0(head + properties);
    ASSERT_TRUE(values.has_value());
    ASSERT_EQ(values->size(), 1U);
    const Amf0Value* app = values->front().find("app");
    ASSERT_NE(app, nullptr);
    EXPECT_EQ(*app, Amf0Value{"live"});
    EXPECT_EQ(values->front().find("key"), nullptr);
  }
}

TEST(RtmpAmf0, truncated_bytes_are_refused_at_every_length) {
  base::Bytes whole;
  encode_amf0(Amf0Value{Amf0Value::Object{{"a", Amf0Value{1.0}}, {"b", Amf0Value{"text"}}, {"c", Amf0Value{true}}}}, whole);
  ASSERT_TRUE(decode_amf0(whole).has_value());
  for (std::size_t size = 1; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_amf0(base::ByteView{whole}.first(size)).has_value()) << size;
  }
}

TEST(RtmpAmf0, nesting_is_bounded) {
  const auto nested = [](std::size_t depth) {
    base::Bytes out;
    for (std::size_t i = 0; i < depth; ++i) {
      for (const unsigned value : {0x0a, 0, 0, 0, 1}) out.push_back(static_cast<std::byte>(value));
    }
    return out + bytes_of({0x05});
  };
  EXPECT_TRUE(decode_amf0(nested(kMaxAmf0Depth)).has_value());
  EXPECT_FALSE(decode_amf0(nested(kMaxAmf0Depth + 1)).has_value());
  EXPECT_FALSE(decode_amf0(nested(100'000)).has_value());
}

TEST(RtmpAmf0, the_number_of_values_is_bounded) {
  EXPECT_TRUE(decode_amf0(base::Bytes(kMaxAmf0Values, std::byte{0x05})).has_value());
  EXPECT_FALSE(decode_amf0(base::Bytes(kMaxAmf0Values + 1, std::byte{0x05})).has_value());
  EXPECT_FALSE(decode_amf0(bytes_of({0x0a, 0xff, 0xff, 0xff, 0xff})).has_value());
}

TEST(RtmpAmf0, unknown_markers_are_refused) {
  for (const unsigned marker : {0x04U, 0x09U, 0x0eU, 0x11U, 0x12U, 0xffU}) EXPECT_FALSE(decode_amf0(bytes_of({marker})).has_value());
}

rc::Gen<Amf0Value> any_value(int depth) {
  const auto leaf =
      rc::gen::oneOf(rc::gen::map(rc::gen::arbitrary<bool>(), [](bool flag) { return Amf0Value{flag}; }),
                     rc::gen::map(rc::gen::arbitrary<int>(), [](int number) { return Amf0Value{number / 8.0}; }),
                     rc::gen::map(rc::gen::arbitrary<std::string>(), [](const std::string& t) { return Amf0Value{std::string_view{t}}; }),
                     rc::gen::just(Amf0Value{}));
  if (depth == 0) return leaf;
  const auto property =
      rc::gen::map(rc::gen::pair(rc::gen::arbitrary<std::string>(), any_value(depth - 1)),
                   [](std::pair<std::string, Amf0Value> p) { return Amf0Property{std::move(p.first), std::move(p.second)}; });
  return rc::gen::oneOf(leaf, rc::gen::map(rc::gen::resize(4, rc::gen::container<Amf0Value::Object>(property)),
                                           [](Amf0Value::Object object) { return Amf0Value{std::move(object)}; }));
}

RC_GTEST_PROP(RtmpAmf0, what_is_encoded_is_decoded, ()) {
  const Amf0Value value = *any_value(3);
  base::Bytes bytes;
  encode_amf0(value, bytes);
  const auto decoded = decode_amf0(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->size() == 1U);
  RC_ASSERT(decoded->front() == value);
}

RC_GTEST_PROP(RtmpAmf0, random_bytes_are_survived, (const std::vector<std::uint8_t>& noise)) {
  base::Bytes bytes;
  for (const std::uint8_t byte : noise) bytes.push_back(static_cast<std::byte>(byte % 0x12));
  if (const auto values = decode_amf0(bytes)) RC_ASSERT(values->size() <= kMaxAmf0Values);
}

}  // namespace
}  // namespace runnel::media_helper
