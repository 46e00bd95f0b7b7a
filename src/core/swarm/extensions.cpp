#include "core/swarm/extensions.hpp"

namespace runnel::swarm {

base::Bytes encode_hello(const Hello& hello) {
  base::Bytes value;
  base::Writer{value}.write(hello.node_id);
  return value;
}

std::optional<Hello> decode_hello(base::ByteView value) {
  const auto node_id = base::Reader{value}.read<std::uint64_t>();
  return node_id ? std::optional{Hello{*node_id}} : std::nullopt;
}

}  // namespace runnel::swarm
