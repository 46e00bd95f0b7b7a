#include <system_error>

#include "net/datagram_socket.hpp"

namespace runnel::net {

std::string message(const SocketError& error) {
  const std::string reason = std::generic_category().message(error.os_error);
  switch (error.fault) {
    case SocketError::Fault::address_in_use:
      return "UDP " + error.what + " is taken by another program: choose another port with --listen, or port 0 for any";
    case SocketError::Fault::address_not_available: return error.what + " is not an address of this machine: choose another with --listen";
    case SocketError::Fault::no_permission:
      return "UDP " + error.what + " may not be opened (" + reason + "): choose a port above 1023 with --listen";
    case SocketError::Fault::no_network_stack: return "this machine has no IP network (" + reason + ")";
    case SocketError::Fault::too_many_files: return "too many files are open: raise the limit (ulimit -n)";
    case SocketError::Fault::failed: return "UDP " + error.what + " cannot be opened: " + reason;
  }
  return reason;
}

}  // namespace runnel::net
