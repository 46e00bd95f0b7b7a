// Bencoding (BEP 3): a strict, bounded decoder whose values are views, and an encoder. Also what the DHT speaks (BEP 5).
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"

namespace runnel::discovery {

constexpr std::size_t kMaxBencodeBytes = 1 << 20;   // what an HTTP tracker may answer
constexpr std::size_t kMaxBencodeDepth = 16;        // tracker answers use 3, DHT messages 2
constexpr std::size_t kMaxBencodeValues = 16'384;   // 2,000 peers in dictionary form

enum class BencodeError { malformed, too_large, too_deep, too_many_values, trailing_bytes, unsorted_keys };
std::string message(BencodeError error);

struct BencodeEntry;

// One decoded value. Strings are views into the decoded input and live as long as it does.
class BencodeValue {
 public:
  using List = std::vector<BencodeValue>;
  using Dict = std::vector<BencodeEntry>;

  BencodeValue();
  explicit BencodeValue(std::int64_t integer);
  explicit BencodeValue(base::ByteView string);
  explicit BencodeValue(List list);
  explicit BencodeValue(Dict dict);

  // nullptr when the value is of another type.
  [[nodiscard]] const std::int64_t* integer() const { return std::get_if<std::int64_t>(&value_); }
  [[nodiscard]] const base::ByteView* string() const { return std::get_if<base::ByteView>(&value_); }
  [[nodiscard]] const List* list() const { return std::get_if<List>(&value_); }
  [[nodiscard]] const Dict* dict() const { return std::get_if<Dict>(&value_); }

  // Of a dictionary's key; nullptr when there is none, it is of another type or this is no dictionary.
  [[nodiscard]] const BencodeValue* find(std::string_view key) const;
  [[nodiscard]] const std::int64_t* find_integer(std::string_view key) const;
  [[nodiscard]] const base::ByteView* find_string(std::string_view key) const;

 private:
  std::variant<std::int64_t, base::ByteView, List, Dict> value_;
};

struct BencodeEntry {
  std::string_view key;
  BencodeValue value;
};

// Here, where an entry is a whole type.
inline BencodeValue::BencodeValue() : value_(std::int64_t{0}) {}
inline BencodeValue::BencodeValue(std::int64_t integer) : value_(integer) {}
inline BencodeValue::BencodeValue(base::ByteView string) : value_(string) {}

// BEP 3 wants keys sorted and unique; trackers in the field do not all keep to it.
enum class BencodeKeys { sorted, any_order };

// The whole input is one value. In any_order mode the first of two equal keys is the one that find() gives.
std::expected<BencodeValue, BencodeError> decode_bencode(base::ByteView input, BencodeKeys keys = BencodeKeys::sorted);

std::string encode_bencode(const BencodeValue& value);

// Appends one value after the other; the caller closes what it opens and gives dictionary keys in order.
class BencodeWriter {
 public:
  explicit BencodeWriter(std::string& out) : out_(out) {}
  void integer(std::int64_t value);
  void string(std::string_view text);
  void string(base::ByteView bytes) { string(base::as_text(bytes)); }
  void begin_list() { out_ += 'l'; }
  void begin_dict() { out_ += 'd'; }
  void end() { out_ += 'e'; }

 private:
  std::string& out_;
};

}  // namespace runnel::discovery
