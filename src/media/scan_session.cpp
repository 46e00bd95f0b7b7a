#include <utility>

#include "media/helper_process.hpp"
#include "media/sessions.hpp"

namespace runnel::media {
namespace {

using Result = std::expected<ScanResult, std::string>;

class Session final : public ScanSession {
 public:
  Session(boost::asio::io_context& io, HelperConfig helper, std::string path, std::function<void(Result)> callback)
      : callback_(std::move(callback)),
        process_(io, {.program = std::move(helper.program), .mode = "scan"},
                 {.on_message = [this](helper::Message m) { take(m); },
                  .on_exit = [this](std::string why) { finish(std::unexpected{std::move(why)}); }}) {
    process_.send(helper::StartScan{std::move(path)});
  }

 private:
  void take(helper::Message& m) {
    auto* const reply = std::get_if<helper::ScanReply>(&m);
    if (reply == nullptr) return;
    if (!reply->result) return finish(std::unexpected{std::move(reply->result.error())});
    helper::Scan& scan = *reply->result;
    ScanResult result{.is_media = scan.is_media, .mime = std::move(scan.mime), .duration = scan.duration};
    result.tracks = std::move(scan.tracks);
    result.index = std::move(scan.index);
    result.reason = std::move(scan.reason);
    finish(std::move(result));
  }
  // The callback may destroy this session.
  void finish(Result result) {
    if (!callback_) return;
    const auto callback = std::exchange(callback_, nullptr);
    callback(std::move(result));
  }

  std::function<void(Result)> callback_;   // empty once called
  HelperProcess process_;
};

}  // namespace

std::unique_ptr<ScanSession> start_scan(boost::asio::io_context& io, HelperConfig helper, std::string path,
                                        std::function<void(std::expected<ScanResult, std::string>)> callback) {
  return std::make_unique<Session>(io, std::move(helper), std::move(path), std::move(callback));
}

}  // namespace runnel::media
