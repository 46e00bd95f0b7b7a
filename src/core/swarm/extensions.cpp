#include "core/swarm/extensions.hpp"

#include "core/wire/types.hpp"

namespace runnel::swarm {

base::Bytes encode_hello(const Hello& hello) {
  base::Bytes value;
  base::Writer writer{value};
  writer.write(hello.node_id);
  writer.write(hello.watchers);
  writer.write(hello.abilities);
  if (hello.beginning) writer.write(hello.beginning->value());
  return value;
}

std::optional<Hello> decode_hello(base::ByteView value) {
  base::Reader reader{value};
  const auto node_id = reader.read<std::uint64_t>();
  const auto watchers = reader.read<std::uint16_t>();
  const auto abilities = reader.read<std::uint8_t>();   // earlier versions end before it
  if (!node_id || !watchers) return std::nullopt;
  Hello hello{*node_id, *watchers, abilities.value_or(0), std::nullopt};
  if (const auto beginning = reader.read<std::uint64_t>(); beginning && *beginning <= wire::kMaxChunkIndex)
    hello.beginning = tree::ChunkIndex{*beginning};
  return hello;
}

}  // namespace runnel::swarm
