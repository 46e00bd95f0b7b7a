// The chunk that a message carries, however it is written.
#pragma once
#include <optional>

#include "core/wire/message.hpp"

namespace runnel::test {

struct Chunk {
  tree::ChunkIndex index;
  base::ByteView payload;
};
// nullopt: none.
inline std::optional<Chunk> chunk_of(const wire::Message& message) {
  if (const auto* data = std::get_if<wire::Data>(&message)) return Chunk{data->chunk, data->payload};
  if (const auto* pushed = std::get_if<wire::Pushed>(&message)) return Chunk{pushed->chunk, pushed->payload};
  return std::nullopt;
}

}  // namespace runnel::test
