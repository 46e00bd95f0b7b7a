// Modes demand and scan: both read what may come from anyone, so they have no files of their own to open and no network.
#include <filesystem>

#include "media_helper/confine.hpp"
#include "media_helper/demand_server.hpp"
#include "media_helper/filter_library.hpp"
#include "media_helper/modes.hpp"
#include "media_helper/scan.hpp"

namespace runnel::media_helper {

int run_demand(HelperLink& link) {
  auto first = link.receive();
  auto* const start = first ? std::get_if<messages::StartDemand>(&*first) : nullptr;
  if (start == nullptr) return 1;
  filter_library();   // before confine(): after it there is no opening
  if (auto confined = confine(Confinement::closed); !confined) {
    link.send(messages::Error{confined.error()});
    return 1;
  }
  DemandServer{link, std::move(*start)}.run();
  return 0;
}

int run_scan(HelperLink& link) {
  const auto first = link.receive();
  const auto* const start = first ? std::get_if<messages::StartScan>(&*first) : nullptr;
  if (start == nullptr) return 1;
  const auto file = FileReader::open(start->path);   // before confine(): after it there is no opening
  auto confined = confine(Confinement::closed);
  if (!file || !confined) {
    link.send(messages::ScanReply{std::unexpected{file ? confined.error() : file.error()}});
    return 1;
  }
  std::optional<HelperLink::Busy> busy{std::in_place, link};
  auto scanned = scan_file(**file, std::filesystem::path{start->path}.filename().string(), [&] { busy.emplace(link); });
  busy.reset();
  if (!scanned) {
    link.send(messages::ScanReply{std::unexpected{std::string{message(scanned.error())}}});
    return 1;
  }
  messages::Scan result{.is_media = scanned->is_media, .mime = scanned->mime, .duration = scanned->duration};
  result.tracks = std::move(scanned->tracks);
  result.reason = std::move(scanned->reason);
  if (scanned->index) result.index = encode(*scanned->index);
  link.send(messages::ScanReply{std::move(result)});
  return 0;
}

}  // namespace runnel::media_helper
