// Mode ts: CMAF in, MPEG-TS out. What comes in is from a swarm, so this process has no files and no network.
#include "media_helper/confine.hpp"
#include "media_helper/modes.hpp"
#include "media_helper/ts_muxer.hpp"

namespace runnel::media_helper {
namespace {

class Ts {
 public:
  explicit Ts(HelperLink& link) : link_(link) {}

  void take(const messages::FeedInit& init) {
    std::expected<void, std::string> done;
    {
      const HelperLink::Busy busy{link_};
      done = muxer_.init(init.bytes);
    }
    if (!done) link_.send(messages::Error{done.error()});
  }
  void take(const messages::FeedChunk& chunk) {
    base::Bytes packets;
    {
      const HelperLink::Busy busy{link_};
      packets = muxer_.chunk(chunk.bytes, chunk.independent);
    }
    if (!packets.empty()) link_.send(messages::Packets{chunk.independent, std::move(packets)});
  }
  template <class Other>
  void take(const Other&) {}  // not for this mode

 private:
  HelperLink& link_;
  TsMuxer muxer_;
};

}  // namespace

int run_ts(HelperLink& link) {
  const auto first = link.receive();
  if (!first || !std::holds_alternative<messages::StartTs>(*first)) return 1;
  if (auto confined = confine(Confinement::closed); !confined) {
    link.send(messages::Error{confined.error()});
    return 1;
  }
  Ts ts{link};
  while (const auto message = link.receive()) {
    std::visit([&](const auto& m) { ts.take(m); }, *message);
  }
  return 0;
}

}  // namespace runnel::media_helper
