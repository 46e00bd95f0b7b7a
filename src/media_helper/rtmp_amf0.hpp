// AMF0, the encoding of RTMP's commands and metadata (Adobe AMF0 specification, 2007). Pure: bytes to values and back.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"

namespace runnel::media_helper {

// Publishers nest two deep (connect's object, OBS's arrays in onMetaData).
constexpr std::size_t kMaxAmf0Depth = 8;
// Values in one message, properties and elements counted: OBS's onMetaData has about 30.
constexpr std::size_t kMaxAmf0Values = 1024;

struct Amf0Property;
struct Amf0Value {
  using Object = std::vector<Amf0Property>;  // object, typed object and ECMA array, in the order sent
  using Array = std::vector<Amf0Value>;      // strict array
  // monostate: null, undefined, unsupported and references (which nothing resolves). A date is its milliseconds.
  std::variant<std::monostate, bool, double, std::string, Object, Array> value;

  Amf0Value();
  explicit Amf0Value(bool flag);
  explicit Amf0Value(double number);
  explicit Amf0Value(std::string_view text);
  explicit Amf0Value(const char* text);  // else a literal would become a bool
  explicit Amf0Value(Object object);
  Amf0Value(const Amf0Value&);
  Amf0Value(Amf0Value&&) noexcept;
  Amf0Value& operator=(const Amf0Value&);
  Amf0Value& operator=(Amf0Value&&) noexcept;
  ~Amf0Value();

  [[nodiscard]] const std::string* text() const { return std::get_if<std::string>(&value); }
  [[nodiscard]] const double* number() const { return std::get_if<double>(&value); }
  // The first property of that name; nullptr if there is none or this is no object.
  [[nodiscard]] const Amf0Value* find(std::string_view name) const;
  bool operator==(const Amf0Value&) const;
};
struct Amf0Property {
  std::string name;
  Amf0Value value;
  bool operator==(const Amf0Property&) const = default;
};

// Every value in `bytes`; nullopt if they are not AMF0 to the last byte or pass a limit above.
[[nodiscard]] std::optional<std::vector<Amf0Value>> decode_amf0(base::ByteView bytes);

// Appends; objects are written as objects, never as ECMA arrays. Names and texts past 65535 bytes are cut there.
void encode_amf0(const Amf0Value& value, base::Bytes& out);

}  // namespace runnel::media_helper
