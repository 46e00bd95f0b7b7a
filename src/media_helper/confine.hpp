// What this process may ask of the kernel once it begins to read what others made.
#pragma once
#include <expected>
#include <string>

namespace runnel::media_helper {

enum class Confinement {
  // Memory, threads, clocks and the descriptors already open; nothing else. For what came from a swarm or a caster's file:
  // no socket, no path, no process. Everything not listed fails with EPERM, so a library that asks for more goes on without.
  closed,
  // Network and reading files, for sources that are pulled or pushed: no writing to files, no other program, no other process.
  network,
};

// Once per process; holds for all its threads, for good. The error says what the kernel refused.
[[nodiscard]] std::expected<void, std::string> confine(Confinement confinement);

}  // namespace runnel::media_helper
