#include "core/wire/options.hpp"

#include <algorithm>
#include <limits>

namespace runnel::wire {
namespace {

using Status = std::expected<void, Error>;

bool is_known(IntegrityMethod method) {
  switch (method) {
    case IntegrityMethod::none:
    case IntegrityMethod::merkle_tree:
    case IntegrityMethod::sign_all:
    case IntegrityMethod::unified_merkle_tree: return true;
  }
  return false;
}

bool is_known(crypto::HashAlgorithm algorithm) { return crypto::digest_size(algorithm) != 0; }

bool is_known(crypto::SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case crypto::SignatureAlgorithm::rsa_sha1:
    case crypto::SignatureAlgorithm::rsa_sha256:
    case crypto::SignatureAlgorithm::ecdsa_p256_sha256:
    case crypto::SignatureAlgorithm::ecdsa_p384_sha384:
    case crypto::SignatureAlgorithm::ed25519: return true;
  }
  return false;
}

bool is_known(AddressingMethod method) {
  switch (method) {
    case AddressingMethod::bins32:
    case AddressingMethod::bytes64:
    case AddressingMethod::chunks32:
    case AddressingMethod::bins64:
    case AddressingMethod::chunks64: return true;
  }
  return false;
}

// RFC 7574 7.9: as wide as a chunk number of the addressing method.
bool has_narrow_window(AddressingMethod method) { return method == AddressingMethod::bins32 || method == AddressingMethod::chunks32; }

template <class Enum>
Status read_enum(base::Reader& reader, std::optional<Enum>& into) {
  const auto number = reader.read<std::uint8_t>();
  if (!number) return std::unexpected(Error::truncated);
  if (!is_known(static_cast<Enum>(*number))) return std::unexpected(Error::bad_option_value);
  into = static_cast<Enum>(*number);
  return {};
}

// Versions and the chunk size: 0 is reserved or senseless.
template <class Number>
Status read_positive(base::Reader& reader, std::optional<Number>& into) {
  const auto number = reader.read<Number>();
  if (!number) return std::unexpected(Error::truncated);
  if (*number == 0) return std::unexpected(Error::bad_option_value);
  into = *number;
  return {};
}

Status read_swarm_id(base::Reader& reader, std::optional<base::ByteView>& into) {
  const auto size = reader.read<std::uint16_t>();
  if (!size) return std::unexpected(Error::truncated);
  if (*size > kMaxSwarmIdSize) return std::unexpected(Error::swarm_id_too_long);
  if (*size == 0) return std::unexpected(Error::bad_option_value);
  into = reader.read_view(*size);
  if (!into) return std::unexpected(Error::truncated);
  return {};
}

Status read_window(base::Reader& reader, Options& options) {
  if (!options.addressing) return std::unexpected(Error::window_without_addressing);
  if (has_narrow_window(*options.addressing)) {
    const auto window = reader.read<std::uint32_t>();
    if (!window) return std::unexpected(Error::truncated);
    options.discard_window = *window == std::numeric_limits<std::uint32_t>::max() ? kKeepsEverything : *window;
  } else {
    options.discard_window = reader.read<std::uint64_t>();
    if (!options.discard_window) return std::unexpected(Error::truncated);
  }
  return {};
}

Status read_supported(base::Reader& reader, std::optional<MessageSet>& into) {
  const auto size = reader.read<std::uint8_t>();
  if (!size) return std::unexpected(Error::truncated);
  if (*size > kMaxBitmapSize) return std::unexpected(Error::bitmap_too_long);
  const auto bitmap = reader.read_view(*size);
  if (!bitmap) return std::unexpected(Error::truncated);
  into = MessageSet::from_bitmap(*bitmap);
  return {};
}

Status read_value(std::uint8_t code, base::Reader& reader, Options& options) {
  switch (static_cast<OptionCode>(code)) {
    case OptionCode::version: return read_positive(reader, options.version);
    case OptionCode::minimum_version: return read_positive(reader, options.minimum_version);
    case OptionCode::swarm_id: return read_swarm_id(reader, options.swarm_id);
    case OptionCode::integrity: return read_enum(reader, options.integrity);
    case OptionCode::hash: return read_enum(reader, options.hash);
    case OptionCode::signature: return read_enum(reader, options.signature);
    case OptionCode::addressing: return read_enum(reader, options.addressing);
    case OptionCode::discard_window: return read_window(reader, options);
    case OptionCode::supported_messages: return read_supported(reader, options.supported_messages);
    case OptionCode::chunk_size: return read_positive(reader, options.chunk_size);
    case OptionCode::end: return {};
  }
  return std::unexpected(Error::unknown_option);
}

// Big-endian fields, one behind the other, into space that the caller has measured.
class Cursor {
 public:
  explicit Cursor(base::MutableByteView to) : rest_(to) {}
  void code(OptionCode code) { number(static_cast<std::uint8_t>(code)); }
  template <class Number>
  void number(Number value) {
    base::store_big_endian<Number>(rest_.data(), value);
    rest_ = rest_.subspan(sizeof(Number));
  }
  template <class Value>
  void byte_option(OptionCode option, const std::optional<Value>& value) {
    if (!value) return;
    code(option);
    number(static_cast<std::uint8_t>(*value));
  }
  void bytes(base::ByteView view) {
    std::ranges::copy(view, rest_.begin());
    rest_ = rest_.subspan(view.size());
  }

 private:
  base::MutableByteView rest_;
};

bool encodable(const Options& options) {
  if (options.version == 0 || options.minimum_version == 0 || options.chunk_size == 0) return false;
  if (options.swarm_id && (options.swarm_id->empty() || options.swarm_id->size() > kMaxSwarmIdSize)) return false;
  if (!options.discard_window) return true;
  if (!options.addressing) return false;
  return !has_narrow_window(*options.addressing) || *options.discard_window < std::numeric_limits<std::uint32_t>::max() ||
         *options.discard_window == kKeepsEverything;
}

void write_window(Cursor& cursor, const Options& options) {
  if (!options.discard_window) return;
  cursor.code(OptionCode::discard_window);
  if (has_narrow_window(*options.addressing)) {
    cursor.number(static_cast<std::uint32_t>(*options.discard_window));  // kKeepsEverything stays all-ones
  } else {
    cursor.number(*options.discard_window);
  }
}

}  // namespace

MessageSet MessageSet::from_bitmap(base::ByteView bitmap) {
  MessageSet set;
  std::ranges::copy(bitmap.first(std::min(bitmap.size(), kMaxBitmapSize)), set.bits_.begin());
  return set;
}

base::ByteView MessageSet::bitmap() const {
  std::size_t size = bits_.size();
  while (size > 0 && bits_[size - 1] == std::byte{0}) --size;
  return base::ByteView{bits_}.first(size);
}

std::expected<Options, Error> decode_options(base::Reader& reader) {
  Options options;
  int last_code = -1;
  while (true) {
    const auto code = reader.read<std::uint8_t>();
    if (!code) return std::unexpected(Error::truncated);
    if (*code == last_code) return std::unexpected(Error::duplicate_option);
    if (*code < last_code) return std::unexpected(Error::options_out_of_order);
    last_code = *code;
    if (const Status status = read_value(*code, reader, options); !status) return std::unexpected(status.error());
    if (static_cast<OptionCode>(*code) == OptionCode::end) return options;
  }
}

std::optional<std::size_t> encoded_size(const Options& options) {
  if (!encodable(options)) return std::nullopt;
  constexpr std::size_t kCode = 1;
  std::size_t size = kCode;  // the End
  for (const bool present : {options.version.has_value(), options.minimum_version.has_value(), options.integrity.has_value(),
                             options.hash.has_value(), options.signature.has_value(), options.addressing.has_value()}) {
    if (present) size += kCode + 1;
  }
  if (options.swarm_id) size += kCode + 2 + options.swarm_id->size();
  if (options.discard_window) size += kCode + (has_narrow_window(*options.addressing) ? 4 : 8);
  if (options.supported_messages) size += kCode + 1 + options.supported_messages->bitmap().size();
  if (options.chunk_size) size += kCode + 4;
  return size;
}

std::optional<std::size_t> encode_options(const Options& options, base::MutableByteView to) {
  const auto size = encoded_size(options);
  if (!size || *size > to.size()) return std::nullopt;
  Cursor cursor{to};
  cursor.byte_option(OptionCode::version, options.version);
  cursor.byte_option(OptionCode::minimum_version, options.minimum_version);
  if (options.swarm_id) {
    cursor.code(OptionCode::swarm_id);
    cursor.number(static_cast<std::uint16_t>(options.swarm_id->size()));
    cursor.bytes(*options.swarm_id);
  }
  cursor.byte_option(OptionCode::integrity, options.integrity);
  cursor.byte_option(OptionCode::hash, options.hash);
  cursor.byte_option(OptionCode::signature, options.signature);
  cursor.byte_option(OptionCode::addressing, options.addressing);
  write_window(cursor, options);
  if (options.supported_messages) {
    const base::ByteView bitmap = options.supported_messages->bitmap();
    cursor.code(OptionCode::supported_messages);
    cursor.number(static_cast<std::uint8_t>(bitmap.size()));
    cursor.bytes(bitmap);
  }
  if (options.chunk_size) {
    cursor.code(OptionCode::chunk_size);
    cursor.number(*options.chunk_size);
  }
  cursor.code(OptionCode::end);
  return size;
}

}  // namespace runnel::wire
