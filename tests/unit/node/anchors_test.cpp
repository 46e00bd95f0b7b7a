#include "node/anchors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <string>

#include "support/temp_folder.hpp"

namespace runnel::node {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

base::Endpoint at(std::uint16_t port) { return *base::Endpoint::parse("192.0.2.7:" + std::to_string(port)); }

swarm::SwarmState served_by(const std::vector<std::pair<std::uint16_t, std::uint64_t>>& peers) {
  swarm::SwarmState state;
  for (const auto& [port, bytes] : peers) {
    state.peers.emplace_back().endpoint = at(port);
    state.peers.back().down_bytes = bytes;
  }
  return state;
}

class AnchorsTest : public testing::Test {
 protected:
  test::TempFolder folder_;
  Anchors anchors_{folder_ / "anchors"};
};

TEST_F(AnchorsTest, who_gave_the_most_is_called_first_next_time) {
  EXPECT_THAT(anchors_.of("a"), IsEmpty());
  anchors_.remember("a", served_by({{1, 10}, {2, 0}, {3, 30}}));
  EXPECT_THAT(anchors_.of("a"), ElementsAre(at(3), at(1)));
  EXPECT_THAT(anchors_.of("b"), IsEmpty());
}

TEST_F(AnchorsTest, a_time_when_nobody_gave_anything_takes_nothing_away) {
  anchors_.remember("a", served_by({{1, 10}}));
  anchors_.remember("a", served_by({{2, 0}}));
  EXPECT_THAT(anchors_.of("a"), ElementsAre(at(1)));
}

TEST_F(AnchorsTest, so_many_are_remembered) {
  std::vector<std::pair<std::uint16_t, std::uint64_t>> peers;
  for (std::uint16_t i = 1; i <= 2 * Anchors::kMaxPeers; ++i) peers.emplace_back(i, i);
  anchors_.remember("a", served_by(peers));
  EXPECT_THAT(anchors_.of("a"), SizeIs(Anchors::kMaxPeers));
  std::ofstream more{folder_ / "anchors" / "a"};
  for (std::uint16_t i = 1; i <= 2 * Anchors::kMaxPeers; ++i) more << at(i).to_string() << "\n";
  more.close();
  EXPECT_THAT(anchors_.of("a"), SizeIs(Anchors::kMaxPeers));
}

TEST_F(AnchorsTest, of_so_many_swarms_those_of_late) {
  using Clock = std::filesystem::file_time_type::clock;
  for (std::size_t i = 0; i < Anchors::kMaxSwarms; ++i) {
    anchors_.remember(std::to_string(i), served_by({{1, 10}}));
    std::filesystem::last_write_time(folder_ / "anchors" / std::to_string(i), Clock::now() - std::chrono::hours{i + 1});
  }
  anchors_.remember("new", served_by({{1, 10}}));
  EXPECT_THAT(anchors_.of("new"), SizeIs(1));
  EXPECT_THAT(anchors_.of("0"), SizeIs(1));
  EXPECT_THAT(anchors_.of(std::to_string(Anchors::kMaxSwarms - 1)), IsEmpty());
}

TEST_F(AnchorsTest, what_is_no_address_is_passed_over_and_others_can_not_read_it) {
  anchors_.remember("a", served_by({{1, 10}}));
  EXPECT_EQ(std::filesystem::status(folder_ / "anchors" / "a").permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::ofstream{folder_ / "anchors" / "a"} << "rubbish\n\n" << at(5).to_string() << "\nmore";
  EXPECT_THAT(anchors_.of("a"), ElementsAre(at(5)));
}

TEST_F(AnchorsTest, a_folder_that_can_not_be_written_is_no_fault) {
  std::ofstream{folder_ / "file"} << "x";
  const Anchors anchors{folder_ / "file"};
  anchors.remember("a", served_by({{1, 10}}));
  EXPECT_THAT(anchors.of("a"), IsEmpty());
}

}  // namespace
}  // namespace runnel::node
