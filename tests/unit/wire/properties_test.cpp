// What must hold for any messages and any bytes. RapidCheck prints its seed; RC_PARAMS="seed=..." repeats a run.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <memory>

#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"
#include "support/wire_gen.hpp"
#include "support/wire_text.hpp"

namespace runnel::wire {
namespace {

// A datagram's worth of messages, a chunk last, as text and as bytes.
struct Sample {
  Format format;
  std::vector<std::string> texts;
  base::Bytes bytes;
};

Sample arbitrary_sample() {
  Sample sample{.format = test::arbitrary_format(), .texts = {}, .bytes = base::Bytes(8192)};
  test::MessageSource source{sample.format};
  Encoder encoder{sample.bytes, sample.format};
  const auto add = [&](const Message& message) {
    RC_ASSERT(encoder.message(message));
    sample.texts.push_back(test::text(message));
  };
  if (*rc::gen::arbitrary<bool>()) add(source.handshake());
  for (int count = *rc::gen::inRange(0, 6); count > 0; --count) {
    const Message message = source.next();
    if (!std::holds_alternative<Handshake>(message)) add(message);
  }
  if (*rc::gen::arbitrary<bool>()) add(source.chunk());
  sample.bytes.resize(encoder.size());
  return sample;
}

struct Decoded {
  std::vector<std::string> texts;
  std::optional<Error> error;
};

// Decodes from a block of exactly the right size, so that the address sanitizer sees any byte read beyond it.
Decoded decode(base::ByteView bytes, const Format& format) {
  const auto block = std::make_unique<std::byte[]>(bytes.size());
  std::ranges::copy(bytes, block.get());
  Decoder decoder{base::ByteView{block.get(), bytes.size()}, format};
  Decoded out;
  while (true) {
    const auto next = decoder.next();
    if (!next) {
      out.error = next.error();
      return out;
    }
    if (!*next) return out;
    out.texts.push_back(test::text(**next));
    RC_ASSERT(out.texts.size() <= bytes.size());
  }
}

TEST(WireProperties, messages_survive_a_round_trip_in_every_addressing_method) {
  EXPECT_TRUE(rc::check([] {
    const Sample sample = arbitrary_sample();
    const Decoded decoded = decode(sample.bytes, sample.format);
    RC_ASSERT(!decoded.error);
    RC_ASSERT(decoded.texts == sample.texts);
  }));
}

TEST(WireProperties, a_datagram_cut_anywhere_gives_a_prefix_of_its_messages) {
  EXPECT_TRUE(rc::check([] {
    const Sample sample = arbitrary_sample();
    for (std::size_t size = 0; size < sample.bytes.size(); ++size) {
      const Decoded decoded = decode(base::ByteView{sample.bytes}.first(size), sample.format);
      RC_ASSERT(decoded.texts.size() <= sample.texts.size());
      for (std::size_t i = 0; i < decoded.texts.size(); ++i) {
        // Only a chunk ends where the datagram ends; everything else is whole or not there.
        if (!sample.texts[i].starts_with("DATA") && !sample.texts[i].starts_with("PUSHED")) RC_ASSERT(decoded.texts[i] == sample.texts[i]);
      }
    }
  }));
}

TEST(WireProperties, random_bytes_end_in_messages_or_an_error) {
  EXPECT_TRUE(rc::check([] {
    const Format format = test::arbitrary_format();
    decode(*rc::gen::scale(8.0, rc::gen::container<base::Bytes>(rc::gen::map(rc::gen::arbitrary<std::uint8_t>(),
                                                                             [](std::uint8_t b) { return static_cast<std::byte>(b); }))),
           format);
  }));
}

TEST(WireProperties, flipped_bytes_end_in_messages_or_an_error) {
  EXPECT_TRUE(rc::check([] {
    Sample sample = arbitrary_sample();
    RC_PRE(!sample.bytes.empty());
    for (int flips = *rc::gen::inRange(1, 5); flips > 0; --flips) {
      sample.bytes[*rc::gen::inRange<std::size_t>(0, sample.bytes.size())] = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
    }
    decode(sample.bytes, sample.format);
  }));
}

TEST(WireProperties, what_does_not_fit_writes_nothing) {
  EXPECT_TRUE(rc::check([] {
    const Format format = test::arbitrary_format();
    test::MessageSource source{format};
    const Message message = *rc::gen::arbitrary<bool>() ? source.next() : source.chunk();
    base::Bytes whole(4096);
    Encoder measure{whole, format};
    RC_ASSERT(measure.message(message));
    for (std::size_t room = 0; room < measure.size(); ++room) {
      base::Bytes small(room, std::byte{0x5a});
      Encoder encoder{small, format};
      RC_ASSERT(!encoder.message(message));
      RC_ASSERT(encoder.size() == 0U);
      RC_ASSERT(small == base::Bytes(room, std::byte{0x5a}));
    }
    base::Bytes exact(measure.size());
    Encoder encoder{exact, format};
    RC_ASSERT(encoder.message(message));
    RC_ASSERT(encoder.remaining() == 0U);
  }));
}

}  // namespace
}  // namespace runnel::wire
