// A host: a network namespace without a name, held by an open file alone, with one TUN device as its way out. When the process that
// made it ends, however it ends, the kernel takes it away as soon as no process is left inside.
#pragma once
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "netlab/file_descriptor.hpp"
#include "netlab/settings.hpp"

namespace runnel::netlab {

// What keeps a lab from starting, as a sentence; `needs_root`: nothing is wrong but that it was started without root's rights.
struct LabError : std::runtime_error {
  explicit LabError(const std::string& what, bool root = false) : std::runtime_error(what), needs_root(root) {}
  bool needs_root;
};

class Host {
 public:
  // Leaves the calling thread in the namespace that it was in. Throws LabError.
  Host(const HostSettings& settings, std::uint32_t mtu_bytes);

  [[nodiscard]] int tun() const { return tun_.get(); }
  [[nodiscard]] int network_namespace() const { return namespace_.get(); }
  // The next frame the host sends, if there is one, at the front of `into`, which holds kMaxFrameBytes. See offload.hpp.
  [[nodiscard]] base::ByteView read(base::MutableByteView into) const;
  // False: the host's device did not take it.
  [[nodiscard]] bool write(base::ByteView frame) const;
  // Packets that the kernel dropped because they were not fetched in time: the lab was too slow, not the link.
  [[nodiscard]] std::uint64_t kernel_drops() const;

 private:
  void configure(const HostSettings& settings, std::uint32_t mtu_bytes) const;

  FileDescriptor namespace_;
  FileDescriptor tun_;
  FileDescriptor device_counters_;  // /proc/net/dev as this namespace sees it
};

// Moves the calling thread. Throws LabError.
void enter_namespace(int network_namespace);

// Runs a program in place of this one; returns only when that fails, and errno says why.
void replace_process(const std::vector<std::string>& words);

}  // namespace runnel::netlab
