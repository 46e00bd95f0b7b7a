#include "media_helper/rtmp_amf0.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>

namespace runnel::media_helper {
namespace {

// Type markers, AMF0 2.1.
enum : std::uint8_t {
  kNumber = 0x00,
  kBoolean = 0x01,
  kString = 0x02,
  kObject = 0x03,
  kNull = 0x05,
  kUndefined = 0x06,
  kReference = 0x07,
  kEcmaArray = 0x08,
  kObjectEnd = 0x09,
  kStrictArray = 0x0a,
  kDate = 0x0b,
  kLongString = 0x0c,
  kUnsupported = 0x0d,
  kXmlDocument = 0x0f,
  kTypedObject = 0x10,
};

class Decoder {
 public:
  explicit Decoder(base::ByteView bytes) : reader_(bytes) {}

  std::optional<std::vector<Amf0Value>> all() {
    std::vector<Amf0Value> values;
    while (!reader_.empty()) {
      auto value = one(0);
      if (!value) return std::nullopt;
      values.push_back(std::move(*value));
    }
    return values;
  }

 private:
  std::optional<Amf0Value> one(std::size_t depth) {
    if (depth > kMaxAmf0Depth || ++values_ > kMaxAmf0Values) return std::nullopt;
    const auto marker = reader_.read<std::uint8_t>();
    if (!marker) return std::nullopt;
    switch (*marker) {
      case kNumber: return number();
      case kBoolean: return boolean();
      case kString: return text_value(reader_.read<std::uint16_t>());
      case kLongString:
      case kXmlDocument: return text_value(reader_.read<std::uint32_t>());
      case kNull:
      case kUndefined:
      case kUnsupported: return Amf0Value{};
      case kReference: return reader_.read<std::uint16_t>() ? std::optional{Amf0Value{}} : std::nullopt;
      case kObject: return object(depth);
      // The count of an ECMA array is a hint that encoders get wrong (2.10): its end marker decides.
      case kEcmaArray: return reader_.read<std::uint32_t>() ? object(depth) : std::nullopt;
      case kTypedObject: return text(reader_.read<std::uint16_t>()) ? object(depth) : std::nullopt;
      case kStrictArray: return array(depth);
      case kDate: return date();
      default: return std::nullopt;
    }
  }

  std::optional<Amf0Value> number() {
    const auto bits = reader_.read<std::uint64_t>();
    if (!bits) return std::nullopt;
    return Amf0Value{std::bit_cast<double>(*bits)};
  }

  std::optional<Amf0Value> boolean() {
    const auto flag = reader_.read<std::uint8_t>();
    if (!flag) return std::nullopt;
    return Amf0Value{*flag != 0};
  }

  std::optional<Amf0Value> date() {
    auto milliseconds = number();
    if (!milliseconds || !reader_.read<std::uint16_t>()) return std::nullopt;  // the time zone is reserved (2.13)
    return milliseconds;
  }

  template <class Size>
  std::optional<std::string_view> text(std::optional<Size> size) {
    if (!size) return std::nullopt;
    const auto view = reader_.read_view(*size);
    if (!view) return std::nullopt;
    return base::as_text(*view);
  }

  template <class Size>
  std::optional<Amf0Value> text_value(std::optional<Size> size) {
    const auto view = text(size);
    if (!view) return std::nullopt;
    return Amf0Value{*view};
  }

  std::optional<Amf0Value> object(std::size_t depth) {
    Amf0Value::Object properties;
    while (true) {
      const auto name = text(reader_.read<std::uint16_t>());
      if (!name) return std::nullopt;
      if (name->empty() && !reader_.empty() && reader_.rest().front() == std::byte{kObjectEnd}) {
        static_cast<void>(reader_.read<std::uint8_t>());
        return Amf0Value{std::move(properties)};
      }
      auto value = one(depth + 1);
      if (!value) return std::nullopt;
      properties.push_back({std::string{*name}, std::move(*value)});
    }
  }

  std::optional<Amf0Value> array(std::size_t depth) {
    const auto count = reader_.read<std::uint32_t>();
    if (!count || *count > kMaxAmf0Values) return std::nullopt;
    Amf0Value::Array elements;
    for (std::uint32_t i = 0; i < *count; ++i) {
      auto value = one(depth + 1);
      if (!value) return std::nullopt;
      elements.push_back(std::move(*value));
    }
    Amf0Value result;
    result.value = std::move(elements);
    return result;
  }

  base::Reader reader_;
  std::size_t values_ = 0;
};

void write_text(std::string_view text, base::Writer& writer) {
  text = text.substr(0, 0xffff);
  writer.write(static_cast<std::uint16_t>(text.size()));
  writer.write_view(base::as_bytes(text));
}

struct Encoder {
  base::Bytes& out;
  base::Writer writer{out};

  void operator()(std::monostate) { writer.write(std::uint8_t{kNull}); }
  void operator()(bool flag) {
    writer.write(std::uint8_t{kBoolean});
    writer.write(static_cast<std::uint8_t>(flag));
  }
  void operator()(double number) {
    writer.write(std::uint8_t{kNumber});
    writer.write(std::bit_cast<std::uint64_t>(number));
  }
  void operator()(const std::string& text) {
    writer.write(std::uint8_t{kString});
    write_text(text, writer);
  }
  void operator()(const Amf0Value::Object& object) {
    writer.write(std::uint8_t{kObject});
    for (const Amf0Property& property : object) {
      write_text(property.name, writer);
      encode_amf0(property.value, out);
    }
    writer.write(std::uint16_t{0});
    writer.write(std::uint8_t{kObjectEnd});
  }
  void operator()(const Amf0Value::Array& array) {
    writer.write(std::uint8_t{kStrictArray});
    writer.write(static_cast<std::uint32_t>(array.size()));
    for (const Amf0Value& element : array) encode_amf0(element, out);
  }
};

}  // namespace

Amf0Value::Amf0Value() = default;
Amf0Value::Amf0Value(bool flag) : value(flag) {}
Amf0Value::Amf0Value(double number) : value(number) {}
Amf0Value::Amf0Value(std::string_view text) : value(std::string{text}) {}
Amf0Value::Amf0Value(const char* text) : value(std::string{text}) {}
Amf0Value::Amf0Value(Object object) : value(std::move(object)) {}
Amf0Value::Amf0Value(const Amf0Value&) = default;
Amf0Value::Amf0Value(Amf0Value&&) noexcept = default;
Amf0Value& Amf0Value::operator=(const Amf0Value&) = default;
Amf0Value& Amf0Value::operator=(Amf0Value&&) noexcept = default;
Amf0Value::~Amf0Value() = default;
bool Amf0Value::operator==(const Amf0Value&) const = default;

const Amf0Value* Amf0Value::find(std::string_view name) const {
  const auto* object = std::get_if<Object>(&value);
  if (object == nullptr) return nullptr;
  const auto found = std::ranges::find(*object, name, &Amf0Property::name);
  return found == object->end() ? nullptr : &found->value;
}

std::optional<std::vector<Amf0Value>> decode_amf0(base::ByteView bytes) { return Decoder{bytes}.all(); }

void encode_amf0(const Amf0Value& value, base::Bytes& out) { std::visit(Encoder{out}, value.value); }

}  // namespace runnel::media_helper
