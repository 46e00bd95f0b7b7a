// Every line of tests/vectors/wire.txt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>

#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"
#include "support/wire_text.hpp"

namespace runnel::wire {
namespace {

std::uint64_t number(const std::string& text) { return std::stoull(text); }

Format read_format(std::istringstream words) {
  Format format;
  for (std::string word; words >> word;) {
    const std::string name = word.substr(0, word.find('='));
    const std::string value = word.substr(word.find('=') + 1);
    if (name == "addressing") format.addressing = static_cast<AddressingMethod>(number(value));
    if (name == "hash") format.hash_size = number(value);
    if (name == "signature") format.signature_size = number(value);
    if (name == "chunk") format.chunk_size = value == "variable" ? kVariableChunkSize : static_cast<std::uint32_t>(number(value));
    if (name == "content") format.content_size = value == "unknown" ? kUnknownSize : number(value);
  }
  return format;
}

struct Outcome {
  std::string text;       // in the notation of the file
  std::string reencoded;  // hex
};

Outcome decode(base::ByteView bytes, const Format& format) {
  Outcome outcome;
  std::array<std::byte, 2048> buffer{};
  Encoder encoder{buffer, format};
  Decoder decoder{bytes, format};
  while (true) {
    const auto next = decoder.next();
    if (next && !*next) break;
    if (!outcome.text.empty()) outcome.text += "; ";
    if (!next) {
      outcome.text += "! " + std::string{message(next.error())};
      break;
    }
    outcome.text += test::text(**next);
    if (!encoder.message(**next)) outcome.reencoded += "(does not encode)";
  }
  if (outcome.text.empty()) outcome.text = "-";
  outcome.reencoded += base::to_hex(encoder.written());
  return outcome;
}

TEST(WireVectors, decode_to_the_messages_written_beside_them_and_encode_to_the_same_bytes) {
  std::ifstream file{std::string{RUNNEL_TEST_VECTORS} + "/wire.txt"};
  ASSERT_TRUE(file) << "tests/vectors/wire.txt is not there";
  Format format;
  std::array<bool, 256> types_seen{};
  std::size_t line_number = 0;
  std::size_t entries = 0;
  for (std::string line; std::getline(file, line);) {
    ++line_number;
    if (line.empty() || line.front() == '#') continue;
    SCOPED_TRACE("line " + std::to_string(line_number) + ": " + line);
    if (line.starts_with("format ")) {
      format = read_format(std::istringstream{line.substr(7)});
      continue;
    }
    const std::string verb = line.substr(0, line.find(' '));
    const std::size_t arrow = line.find("=>");
    ASSERT_NE(arrow, std::string::npos);
    std::string hex = line.substr(verb.size(), arrow - verb.size());
    std::erase(hex, ' ');
    const auto bytes = base::from_hex(hex);
    ASSERT_TRUE(bytes) << "not hex";
    const Outcome outcome = decode(*bytes, format);
    EXPECT_EQ(outcome.text, line.substr(arrow + 3));
    if (verb == "accept") {
      EXPECT_EQ(outcome.reencoded, hex);
      if (!bytes->empty()) types_seen[std::to_integer<std::size_t>(bytes->front())] = true;
    } else if (verb == "tolerate") {
      EXPECT_NE(outcome.reencoded, hex);
      EXPECT_THAT(outcome.text, testing::Not(testing::HasSubstr("!")));
    } else {
      EXPECT_EQ(verb, "reject");
      EXPECT_THAT(outcome.text, testing::HasSubstr("! "));
    }
    ++entries;
  }
  EXPECT_GT(entries, 80U);
  for (std::size_t type = 0; type <= 13; ++type) EXPECT_TRUE(types_seen[type]) << "no vector for message type " << type;
  for (const MessageType type : {MessageType::extension, MessageType::pushed}) EXPECT_TRUE(types_seen[static_cast<std::size_t>(type)]);
}

}  // namespace
}  // namespace runnel::wire
