// What a lab is made of: hosts, how each is attached, and what lies between them. Values only; lab_file.hpp reads them.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/endpoint.hpp"
#include "netlab/link.hpp"

namespace runnel::netlab {

using HostIndex = std::uint32_t;

constexpr std::size_t kMaxHosts = 250;  // a network namespace takes about 100 kB of the kernel's memory and some ms to make

struct HostSettings {
  std::string name;
  std::string group;         // the table it was counted from; its name when it stands alone
  base::IpAddress address;   // IPv4
  base::IpAddress address6;
  LinkSettings up;
  LinkSettings down;
  bool connected = true;     // false: nothing comes and nothing goes, as when the cable is out
  std::uint32_t island = 0;  // only hosts of one island reach each other
};

struct LabSettings {
  std::uint64_t seed = 0;
  bool seed_given = false;
  std::uint32_t mtu_bytes = 1500;
  std::vector<HostSettings> hosts;
  LinkSettings path;         // between any two hosts, beyond their own lines
  std::map<std::pair<HostIndex, HostIndex>, LinkSettings> pairs;  // from, to: instead of `path`
};

}  // namespace runnel::netlab
