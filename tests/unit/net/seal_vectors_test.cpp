// Keys and sealed datagrams as tests/vectors/seal/seal.txt gives them, which another implementation made.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "core/swarm/sealing_key.hpp"
#include "net/sealed_channel.hpp"

namespace runnel::net {
namespace {

using base::Bytes;

Bytes hex_of(const std::string& text) { return text == "-" ? Bytes{} : base::from_hex(text).value(); }

struct SealVectors : testing::Test {
  // The words of each line that begins with `kind`.
  static std::vector<std::vector<std::string>> lines(std::string_view kind) {
    std::ifstream file{std::string{RUNNEL_TEST_VECTORS} + "/seal/seal.txt"};
    std::vector<std::vector<std::string>> found;
    for (std::string line; std::getline(file, line);) {
      std::istringstream words{line};
      std::vector<std::string> parts;
      for (std::string word; words >> word;) parts.push_back(word);
      if (!parts.empty() && parts[0] == kind) found.push_back(parts);
    }
    return found;
  }
};

TEST_F(SealVectors, keys_are_as_written) {
  const auto all = lines("psk");
  ASSERT_GE(all.size(), 3U);
  for (const auto& words : all) {
    const swarm::SealingKey key = swarm::sealing_key(hex_of(words.at(1)), hex_of(words.at(2)));
    EXPECT_EQ(base::to_hex(key.shared), words.at(4));
    EXPECT_EQ(key.identity, words.at(5));
  }
}

TEST_F(SealVectors, datagrams_are_as_written_and_open) {
  const auto all = lines("seal");
  ASSERT_GE(all.size(), 12U);
  for (const auto& words : all) {
    const auto algorithm = words.at(1) == "aes-128-gcm" ? crypto::SealAlgorithm::aes_128_gcm : crypto::SealAlgorithm::chacha20_poly1305;
    const Bytes id = hex_of(words.at(3));
    const wire::ChannelId channel{base::load_big_endian<std::uint32_t>(id.data())};
    const Bytes source = hex_of(words.at(4));
    const wire::ChannelId from{base::load_big_endian<std::uint32_t>(source.data())};
    const ChannelSecret secret = channel_secret(hex_of(words.at(2)), {.to = channel, .from = from});
    const std::uint64_t counter = std::stoull(words.at(5));
    Bytes plain = id;
    const Bytes messages = hex_of(words.at(6));
    plain.insert(plain.end(), messages.begin(), messages.end());

    SealedSender sender{algorithm, secret};
    Bytes out(plain.size() + kSealedOverhead);
    for (std::uint64_t i = 0; i <= counter; ++i) sender.seal(plain, out);
    EXPECT_EQ(base::to_hex(out), words.at(8)) << words.at(1) << ' ' << counter;

    if (counter >> kKeyDatagramsBits <= 1) {   // a receiver that hears nothing for longer has lost the thread
      SealedReceiver receiver{algorithm, secret};
      const auto opened = receiver.open(out);
      ASSERT_TRUE(opened);
      EXPECT_EQ(Bytes(opened->begin(), opened->end()), plain);
    }
  }
}

}  // namespace
}  // namespace runnel::net
