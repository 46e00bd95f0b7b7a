#include "core/discovery/bencode.hpp"

#include <charconv>

namespace runnel::discovery {
namespace {

using Unexpected = std::unexpected<BencodeError>;

class Decoder {
 public:
  Decoder(std::string_view input, BencodeKeys keys) : rest_(input), keys_(keys) {}

  std::expected<BencodeValue, BencodeError> value(std::size_t depth) {
    if (depth > kMaxBencodeDepth) return Unexpected{BencodeError::too_deep};
    if (++values_ > kMaxBencodeValues) return Unexpected{BencodeError::too_many_values};
    if (rest_.empty()) return Unexpected{BencodeError::malformed};
    switch (rest_.front()) {
      case 'i': return integer();
      case 'l': return list(depth);
      case 'd': return dict(depth);
      default: break;
    }
    const auto text = string();
    if (!text) return Unexpected{text.error()};
    return BencodeValue{base::as_bytes(*text)};
  }
  [[nodiscard]] bool done() const { return rest_.empty(); }

 private:
  // Digits up to `end`, without leading zeros; a minus where `negative` allows it, never before a zero.
  template <class Int>
  std::expected<Int, BencodeError> number(char end, bool negative) {
    const std::size_t length = rest_.find(end);
    if (length == std::string_view::npos || length == 0 || length > 20) return Unexpected{BencodeError::malformed};
    const std::string_view text = rest_.substr(0, length);
    const bool minus = negative && text.front() == '-';
    const std::string_view digits = text.substr(minus ? 1 : 0);
    if (digits.empty() || digits.front() < '0' || digits.front() > '9') return Unexpected{BencodeError::malformed};
    if (digits.front() == '0' && (digits.size() > 1 || minus)) return Unexpected{BencodeError::malformed};
    Int result{};
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), result);
    if (error != std::errc{} || stop != text.data() + text.size()) return Unexpected{BencodeError::malformed};
    rest_.remove_prefix(length + 1);
    return result;
  }

  std::expected<BencodeValue, BencodeError> integer() {
    rest_.remove_prefix(1);
    const auto result = number<std::int64_t>('e', true);
    if (!result) return Unexpected{result.error()};
    return BencodeValue{*result};
  }

  std::expected<std::string_view, BencodeError> string() {
    const auto length = number<std::uint64_t>(':', false);
    if (!length) return Unexpected{length.error()};
    if (*length > rest_.size()) return Unexpected{BencodeError::malformed};
    const std::string_view text = rest_.substr(0, *length);
    rest_.remove_prefix(*length);
    return text;
  }

  std::expected<BencodeValue, BencodeError> list(std::size_t depth) {
    rest_.remove_prefix(1);
    BencodeValue::List items;
    while (!rest_.empty() && rest_.front() != 'e') {
      auto item = value(depth + 1);
      if (!item) return item;
      items.push_back(std::move(*item));
    }
    return close(BencodeValue{std::move(items)});
  }

  std::expected<BencodeValue, BencodeError> dict(std::size_t depth) {
    rest_.remove_prefix(1);
    BencodeValue::Dict entries;
    while (!rest_.empty() && rest_.front() != 'e') {
      const auto key = string();
      if (!key) return Unexpected{key.error()};
      if (keys_ == BencodeKeys::sorted && !entries.empty() && *key <= entries.back().key) return Unexpected{BencodeError::unsorted_keys};
      auto item = value(depth + 1);
      if (!item) return item;
      entries.push_back({*key, std::move(*item)});
    }
    return close(BencodeValue{std::move(entries)});
  }

  std::expected<BencodeValue, BencodeError> close(BencodeValue value) {
    if (rest_.empty()) return Unexpected{BencodeError::malformed};
    rest_.remove_prefix(1);
    return value;
  }

  std::string_view rest_;
  BencodeKeys keys_;
  std::size_t values_ = 0;
};

void encode(const BencodeValue& value, std::string& out) {
  BencodeWriter writer(out);
  if (const auto* integer = value.integer()) return writer.integer(*integer);
  if (const auto* string = value.string()) return writer.string(*string);
  if (const auto* list = value.list()) {
    writer.begin_list();
    for (const BencodeValue& item : *list) encode(item, out);
    return writer.end();
  }
  writer.begin_dict();
  for (const BencodeEntry& entry : *value.dict()) {
    writer.string(entry.key);
    encode(entry.value, out);
  }
  writer.end();
}

}  // namespace

std::string message(BencodeError error) {
  switch (error) {
    case BencodeError::malformed: return "not bencoded";
    case BencodeError::too_large: return "larger than allowed";
    case BencodeError::too_deep: return "nested deeper than allowed";
    case BencodeError::too_many_values: return "more values than allowed";
    case BencodeError::trailing_bytes: return "bytes after the end of the value";
    case BencodeError::unsorted_keys: return "dictionary keys are not sorted";
  }
  return "unknown error";
}

BencodeValue::BencodeValue(List list) : value_(std::move(list)) {}
BencodeValue::BencodeValue(Dict dict) : value_(std::move(dict)) {}

const BencodeValue* BencodeValue::find(std::string_view key) const {
  const Dict* entries = dict();
  if (entries == nullptr) return nullptr;
  const auto found = std::ranges::find(*entries, key, &BencodeEntry::key);
  return found == entries->end() ? nullptr : &found->value;
}

const std::int64_t* BencodeValue::find_integer(std::string_view key) const {
  const BencodeValue* value = find(key);
  return value == nullptr ? nullptr : value->integer();
}

const base::ByteView* BencodeValue::find_string(std::string_view key) const {
  const BencodeValue* value = find(key);
  return value == nullptr ? nullptr : value->string();
}

std::expected<BencodeValue, BencodeError> decode_bencode(base::ByteView input, BencodeKeys keys) {
  if (input.size() > kMaxBencodeBytes) return Unexpected{BencodeError::too_large};
  Decoder decoder(base::as_text(input), keys);
  auto value = decoder.value(1);
  if (value && !decoder.done()) return Unexpected{BencodeError::trailing_bytes};
  return value;
}

std::string encode_bencode(const BencodeValue& value) {
  std::string out;
  encode(value, out);
  return out;
}

void BencodeWriter::integer(std::int64_t value) {
  out_ += 'i';
  out_ += std::to_string(value);
  out_ += 'e';
}

void BencodeWriter::string(std::string_view text) {
  out_ += std::to_string(text.size());
  out_ += ':';
  out_ += text;
}

}  // namespace runnel::discovery
