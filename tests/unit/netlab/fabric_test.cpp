// The fabric joins hosts: packets find their host, pass three links in order, and stop where a host or an island ends.
#include "netlab/fabric.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "netlab/lab_file.hpp"
#include "netlab/packet.hpp"

namespace runnel::netlab {
namespace {

using namespace std::chrono_literals;

LabSettings lab_of(std::string_view toml) {
  auto lab = read_lab(toml, "test");
  EXPECT_TRUE(lab.has_value()) << (lab ? "" : lab.error());
  lab->seed = 1;
  return *lab;
}

// An IPv4 packet with nothing but what the fabric looks at, and a number.
std::size_t write_packet(base::MutableByteView into, const base::IpAddress& to, std::uint32_t number, std::size_t size) {
  std::ranges::fill(into.first(size), std::byte{0});
  into[0] = std::byte{0x45};
  const auto octets = to.v4_octets();
  for (std::size_t i = 0; i < 4; ++i) into[16 + i] = std::byte{octets[i]};
  base::store_big_endian(&into[20], number);
  return size;
}

void send(Fabric& fabric, Time now, HostIndex from, HostIndex to, std::uint32_t number = 0, std::size_t size = 1000) {
  const base::IpAddress address = fabric.settings().hosts[to].address;
  fabric.sent(now, from, write_packet(fabric.buffer(), address, number, size));
}

struct Arrival {
  HostIndex host;
  std::uint32_t number;
  Time due;
  friend bool operator==(const Arrival&, const Arrival&) = default;
};

std::vector<Arrival> all_until(Fabric& fabric, Time now) {
  std::vector<Arrival> arrivals;
  while (const auto delivery = fabric.next(now))
    arrivals.push_back({delivery->host, base::load_big_endian<std::uint32_t>(&delivery->packet[20]), delivery->due});
  return arrivals;
}

TEST(NetlabFabric, delays_of_uplink_path_and_downlink_add_up) {
  Fabric fabric{lab_of("[host.a.up]\ndelay_ms=3\n[host.b.down]\ndelay_ms=5\n[path]\ndelay_ms=10\n")};
  send(fabric, Time{1ms}, 0, 1, 7);
  EXPECT_TRUE(all_until(fabric, Time{18ms}).empty());
  EXPECT_EQ(all_until(fabric, Time{19ms}), (std::vector<Arrival>{{1, 7, Time{19ms}}}));
  EXPECT_EQ(fabric.packets_in_flight(), 0U);
}

TEST(NetlabFabric, packets_are_due_by_their_links_and_not_by_when_they_are_fetched) {
  Fabric fabric{lab_of("[host.a]\n[host.b.down]\nrate_mbps=8\n[path]\ndelay_ms=10\n")};
  for (std::uint32_t i = 0; i < 5; ++i) send(fabric, Time{}, 0, 1, i);
  const auto arrivals = all_until(fabric, Time{1s});  // asked late, once
  ASSERT_EQ(arrivals.size(), 5U);
  for (std::uint32_t i = 0; i < 5; ++i) EXPECT_EQ(arrivals[i], (Arrival{1, i, Time{10ms + 1ms * (i + 1)}}));
}

TEST(NetlabFabric, two_senders_share_a_downlink_in_the_order_they_reach_it) {
  Fabric fabric{lab_of("[host.a.up]\ndelay_ms=20\n[host.b.up]\ndelay_ms=1\n[host.c.down]\nrate_mbps=8\n")};
  send(fabric, Time{0ms}, 0, 2, 1);
  send(fabric, Time{5ms}, 1, 2, 2);
  const auto arrivals = all_until(fabric, Time{1s});
  ASSERT_EQ(arrivals.size(), 2U);
  EXPECT_EQ(arrivals[0], (Arrival{2, 2, Time{7ms}}));
  EXPECT_EQ(arrivals[1], (Arrival{2, 1, Time{21ms}}));
}

TEST(NetlabFabric, a_pair_has_links_of_its_own_in_each_direction) {
  Fabric fabric{lab_of("[host.a]\n[host.b]\n[host.c]\n[path]\ndelay_ms=10\n[[pair]]\nfrom=\"a\"\nto=\"b\"\ndelay_ms=50\n")};
  send(fabric, Time{}, 0, 1, 1);
  send(fabric, Time{}, 1, 0, 2);
  send(fabric, Time{}, 0, 2, 3);
  const auto arrivals = all_until(fabric, Time{1s});
  EXPECT_EQ(arrivals, (std::vector<Arrival>{{0, 2, Time{10ms}}, {2, 3, Time{10ms}}, {1, 1, Time{50ms}}}));
}

TEST(NetlabFabric, a_partition_cuts_and_heals) {
  Fabric fabric{lab_of("partition=[[\"a\"],[\"b\"]]\n[host.a]\n[host.b]\n[host.c]\n[host.d]\n")};
  send(fabric, Time{}, 0, 1, 1);
  send(fabric, Time{}, 2, 3, 2);
  EXPECT_EQ(all_until(fabric, Time{}), (std::vector<Arrival>{{3, 2, Time{}}}));
  EXPECT_EQ(fabric.counters(0).cut, 1U);
  fabric.apply(changed(fabric.settings(), "partition = []").value());
  send(fabric, Time{}, 0, 1, 3);
  EXPECT_EQ(all_until(fabric, Time{}), (std::vector<Arrival>{{1, 3, Time{}}}));
}

TEST(NetlabFabric, what_is_under_way_to_a_host_that_vanishes_is_lost) {
  Fabric fabric{lab_of("[host.a]\n[host.b]\n[path]\ndelay_ms=10\n")};
  send(fabric, Time{}, 0, 1, 1);
  fabric.apply(changed(fabric.settings(), "host.b.connected = false").value());
  EXPECT_TRUE(all_until(fabric, Time{1s}).empty());
  EXPECT_EQ(fabric.counters(0).cut, 1U);
  EXPECT_EQ(fabric.packets_in_flight(), 0U);
}

TEST(NetlabFabric, a_packet_to_nobody_is_counted_and_dropped) {
  Fabric fabric{lab_of("[host.a]\n[host.b]\n")};
  fabric.sent(Time{}, 0, write_packet(fabric.buffer(), base::IpAddress::v4({224, 0, 0, 1}), 0, 100));
  fabric.sent(Time{}, 0, 3);  // not even a header
  EXPECT_EQ(fabric.counters(0).unroutable, 2U);
  EXPECT_FALSE(fabric.next_due().has_value());
}

TEST(NetlabFabric, memory_is_bounded_when_nothing_else_bounds_it) {
  Fabric fabric{lab_of("[host.a]\n[host.b]\n[path]\ndelay_ms=60000\n")};
  for (std::uint32_t i = 0; i < kMaxPacketsInFlight + 10; ++i) send(fabric, Time{}, 0, 1, i, 100);
  EXPECT_EQ(fabric.packets_in_flight(), kMaxPacketsInFlight - 1);
  EXPECT_EQ(fabric.counters(0).over_memory, 11U);
  EXPECT_EQ(all_until(fabric, Time{60s}).size(), kMaxPacketsInFlight - 1);
}

TEST(NetlabFabric, duplicates_carry_the_same_bytes) {
  Fabric fabric{lab_of("[host.a]\n[host.b]\n[path]\nduplicate=1\n")};
  send(fabric, Time{}, 0, 1, 5);
  EXPECT_EQ(all_until(fabric, Time{}), (std::vector<Arrival>{{1, 5, Time{}}, {1, 5, Time{}}}));
}

TEST(NetlabFabric, one_flows_fate_does_not_hang_on_anothers) {
  const auto fates = [](bool with_other) {
    Fabric fabric{lab_of("[host.a]\n[host.b]\n[host.c]\n[path]\nloss=0.3\n")};
    std::vector<std::uint32_t> passed;
    for (std::uint32_t i = 0; i < 200; ++i) {
      if (with_other) send(fabric, Time{1ms * i}, 2, 1, 1000);
      send(fabric, Time{1ms * i}, 0, 1, i);
      for (const Arrival& arrival : all_until(fabric, Time{1ms * i})) {
        if (arrival.number != 1000) passed.push_back(arrival.number);
      }
    }
    return passed;
  };
  EXPECT_EQ(fates(false), fates(true));
}

TEST(NetlabPacket, destination_is_read_from_both_versions) {
  base::Bytes packet(40);
  packet[0] = std::byte{0x60};
  packet[39] = std::byte{9};
  EXPECT_EQ(destination_of(packet), base::IpAddress::parse("::9"));
  EXPECT_EQ(destination_of(base::ByteView{packet}.first(39)), std::nullopt);
  packet[0] = std::byte{0x45};
  packet[16] = std::byte{10};
  EXPECT_EQ(destination_of(packet), base::IpAddress::parse("10.0.0.0"));
  packet[0] = std::byte{0x10};
  EXPECT_EQ(destination_of(packet), std::nullopt);
}

}  // namespace
}  // namespace runnel::netlab
