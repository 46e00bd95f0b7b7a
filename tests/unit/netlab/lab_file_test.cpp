// The description: what its keys set, and that nothing in it is overlooked.
#include "netlab/lab_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runnel::netlab {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

LabSettings read(std::string_view toml) {
  auto lab = read_lab(toml, "test");
  EXPECT_TRUE(lab.has_value()) << (lab ? "" : lab.error());
  return lab.value_or(LabSettings{});
}
std::string refusal(std::string_view toml) {
  auto lab = read_lab(toml, "test");
  return lab ? "accepted" : lab.error();
}

TEST(NetlabFile, every_key_of_a_line_is_read) {
  const LabSettings lab = read(R"(
    seed = 7
    mtu_bytes = 1400
    [host.a.up]
    rate_mbps = 2.5
    queue_bytes = 9000
    delay_ms = [1, 2.5]
    jitter_ms = 3
    loss = 0.01
    burst_enter = 0.02
    burst_leave = 0.25
    burst_loss = 0.75
    duplicate = 0.03
    reorder = 0.04
    reorder_ms = 6
  )");
  const LinkSettings expected{.rate_bits_per_s = 2.5e6,
                              .queue_bytes = 9000,
                              .min_delay = 1ms,
                              .max_delay = 2500us,
                              .jitter = 3ms,
                              .loss = 0.01,
                              .burst = {0.02, 0.25, 0.75},
                              .duplicate = 0.03,
                              .reorder = 0.04,
                              .reorder_delay = 6ms};
  EXPECT_EQ(lab.hosts.at(0).up, expected);
  EXPECT_FALSE(lab.hosts.at(0).down.does_anything());
  EXPECT_EQ(lab.seed, 7U);
  EXPECT_EQ(lab.mtu_bytes, 1400U);
}

TEST(NetlabFile, groups_are_counted_and_single_hosts_out_of_them_set_over_them) {
  const LabSettings lab = read(R"(
    [every.up]
    rate_mbps = 1
    [host.viewer]
    count = 3
    down.rate_mbps = 50
    [host.viewer-2]
    up.rate_mbps = 9
    [host.caster]
    up.rate_mbps = 20
  )");
  ASSERT_EQ(lab.hosts.size(), 4U);
  EXPECT_EQ(lab.hosts[0].name, "caster");
  EXPECT_EQ(lab.hosts[0].up.rate_bits_per_s, 20e6);
  EXPECT_EQ(lab.hosts[1].name, "viewer-1");
  EXPECT_EQ(lab.hosts[1].up.rate_bits_per_s, 1e6);
  EXPECT_EQ(lab.hosts[2].up.rate_bits_per_s, 9e6);
  EXPECT_EQ(lab.hosts[2].down.rate_bits_per_s, 50e6);
}

TEST(NetlabFile, addresses_are_given_or_chosen) {
  const LabSettings lab = read("[host.a]\n[host.b]\naddress = \"10.1.2.3\"\naddress6 = \"fd00::3\"\n");
  EXPECT_EQ(lab.hosts[0].address.to_string(), "198.18.0.1");
  EXPECT_EQ(lab.hosts[0].address6.to_string(), "2001:2::1");
  EXPECT_EQ(lab.hosts[1].address.to_string(), "10.1.2.3");
  EXPECT_EQ(lab.hosts[1].address6.to_string(), "fd00::3");
}

TEST(NetlabFile, pairs_start_from_the_path_and_name_groups_too) {
  const LabSettings lab = read(R"(
    [host.a]
    [host.v]
    count = 2
    [path]
    delay_ms = 10
    loss = 0.1
    [[pair]]
    between = ["a", "v"]
    delay_ms = 70
  )");
  EXPECT_EQ(lab.pairs.size(), 4U);
  EXPECT_EQ(lab.pairs.at({0, 2}).min_delay, 70ms);
  EXPECT_EQ(lab.pairs.at({2, 0}).loss, 0.1);
}

TEST(NetlabFile, unknown_keys_are_refused_by_name_and_line) {
  EXPECT_THAT(refusal("[host.a.up]\nrate_mbps = 1\nlos = 0.1\n"),
              ::testing::AllOf(HasSubstr("host.a.up.los"), HasSubstr("line 3"), HasSubstr("no such key")));
  EXPECT_THAT(refusal("sed = 1\n[host.a]\n"), HasSubstr("sed"));
  EXPECT_THAT(refusal("[host.a]\ncolour = 1\n"), HasSubstr("host.a.colour"));
  EXPECT_THAT(refusal("[host.a]\n[every]\ncount = 2\n"), HasSubstr("every.count"));
  EXPECT_THAT(refusal("[host.a]\n[[pair]]\nfrom=\"a\"\nto=\"a\"\nspeed=1\n"), HasSubstr("pair.speed"));
}

TEST(NetlabFile, values_out_of_bounds_are_refused_with_what_is_possible) {
  EXPECT_THAT(refusal("[host.a.up]\nloss = 1.5\n"), HasSubstr("0 to 1"));
  EXPECT_THAT(refusal("[host.a.up]\nloss = \"much\"\n"), HasSubstr("must be a number"));
  EXPECT_THAT(refusal("[host.a.up]\nrate_mbps = -1\n"), HasSubstr("host.a.up.rate_mbps"));
  EXPECT_THAT(refusal("[host.a.up]\nqueue_ms = 5\nqueue_bytes = 5\n"), HasSubstr("not both"));
  EXPECT_THAT(refusal("[host.a.up]\ndelay_ms = [5, 1]\n"), HasSubstr("delay_ms"));
  EXPECT_THAT(refusal("[host.a]\ncount = 251\n"), HasSubstr("250"));
  EXPECT_THAT(refusal("[host.a]\ncount = 200\n[host.b]\ncount = 200\n"), HasSubstr("250 hosts"));
  EXPECT_THAT(refusal("mtu_bytes = 500\n[host.a]\n"), HasSubstr("mtu_bytes"));
}

TEST(NetlabFile, labs_that_make_no_sense_are_refused) {
  EXPECT_THAT(refusal(""), HasSubstr("[host.NAME]"));
  EXPECT_THAT(refusal("[host.a\n"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("[host.a]\naddress=\"::1\"\n"), HasSubstr("IPv4"));
  EXPECT_THAT(refusal("[host.a]\naddress=\"198.18.0.2\"\n[host.b]\n"), HasSubstr("another host"));
  EXPECT_THAT(refusal("[host.a]\n[[pair]]\nfrom=\"a\"\nto=\"x\"\n"), HasSubstr("'x'"));
  EXPECT_THAT(refusal("partition=[[\"a\"],[\"a\"]]\n[host.a]\n"), HasSubstr("two groups"));
  EXPECT_THAT(load_lab("/nowhere.toml").error(), HasSubstr("/nowhere.toml"));
}

TEST(NetlabFile, changes_go_over_what_is_and_leave_the_rest) {
  const LabSettings lab = read("[host.v]\ncount=3\n[host.v.up]\nrate_mbps=5\ndelay_ms=4\n");
  const auto after = changed(lab, "host.v-2.up.rate_mbps = 1\nhost.v.connected = false\npath.loss = 0.2");
  ASSERT_TRUE(after.has_value()) << after.error();
  EXPECT_EQ(after->hosts[0].up.rate_bits_per_s, 5e6);
  EXPECT_EQ(after->hosts[1].up.rate_bits_per_s, 1e6);
  EXPECT_EQ(after->hosts[1].up.min_delay, 4ms);
  EXPECT_FALSE(after->hosts[2].connected);
  EXPECT_EQ(after->path.loss, 0.2);
}

TEST(NetlabFile, changes_to_what_can_not_change_are_refused) {
  const LabSettings lab = read("[host.a]\n");
  EXPECT_THAT(changed(lab, "[host.b]\n").error(), HasSubstr("host.b"));
  EXPECT_THAT(changed(lab, "mtu_bytes = 1300").error(), HasSubstr("mtu_bytes"));
  EXPECT_THAT(changed(lab, "host.a.address = \"10.0.0.1\"").error(), HasSubstr("host.a.address"));
}

}  // namespace
}  // namespace runnel::netlab
