// The codec runs for every datagram: it must not touch the heap.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>

#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}  // namespace

// The test program's own, so that they can be counted. Not inlined: g++ 12 would warn of free() on what new gave.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace runnel::wire {
namespace {

constexpr tree::ChunkRange kSubtree{tree::ChunkIndex{32}, tree::ChunkIndex{63}};

bool write_all(Encoder& encoder, const Options& options, base::ByteView signature, base::ByteView payload) {
  return encoder.handshake({ChannelId{7}, options}) && encoder.have(kSubtree) && encoder.ack(kSubtree, DelaySample{1}) &&
         encoder.integrity(kSubtree, crypto::Digest{32}) && encoder.signed_integrity(kSubtree, NtpTimestamp{1}, signature) &&
         encoder.request(kSubtree) && encoder.cancel(kSubtree) && encoder.choke() && encoder.unchoke() && encoder.pex_req() &&
         encoder.pex_res({}) && encoder.pex_res_cert(signature) && encoder.extension(1, signature) &&
         encoder.message(Pushed{tree::ChunkIndex{4}, 7, payload}) && encoder.data(tree::ChunkIndex{5}, NodeTimestamp{9}, payload);
}

TEST(Codec, never_allocates) {
  std::array<std::byte, 4096> buffer{};
  std::array<std::byte, 64> signature{};
  std::array<std::byte, 1080> payload{};
  const Format format{.signature_size = signature.size(), .chunk_size = payload.size()};
  const Options options{.version = 1, .swarm_id = signature, .supported_messages = MessageSet::rfc(), .chunk_size = 1080};

  const std::size_t before = allocations;
  Encoder encoder{buffer, format};
  const bool wrote = write_all(encoder, options, signature, payload);
  Decoder decoder{encoder.written(), format};
  std::size_t messages = 0;
  while (true) {
    const auto next = decoder.next();
    if (!next || !*next) break;
    ++messages;
  }
  const std::size_t after = allocations;

  EXPECT_TRUE(wrote);
  EXPECT_EQ(messages, 15U);
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace runnel::wire
