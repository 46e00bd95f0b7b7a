// live.ts: one MPEG-TS session per stream, however many clients. It runs while a reader exists.
#pragma once
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "media/live_timeline.hpp"
#include "player/http_server.hpp"
#include "player/http_types.hpp"

namespace runnel::player {

struct TsHubConfig {
  TsFactory start;
  media::HelperConfig helper;
  HttpLimits limits;
  std::string stream_id;   // for the log
};

// The last reader's end ends the session: the readers hold the hub, its maker holds it weakly.
class TsHub {
 public:
  virtual ~TsHub() = default;
  // A reader that begins with the newest independent packets there are, or the next ones to come. A reader that falls
  // ts_queue_bytes behind is broken off. Ends when the stream does.
  [[nodiscard]] virtual std::unique_ptr<BodySource> open() = 0;
};

// `timeline` outlives the hub and its readers.
std::shared_ptr<TsHub> make_ts_hub(boost::asio::io_context& io, media::LiveTimeline& timeline, TsHubConfig config);

}  // namespace runnel::player
