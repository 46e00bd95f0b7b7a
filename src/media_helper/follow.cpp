// Mode follow: a transport stream that comes from a swarm, to CMAF chunks. No files, no network: whoever signed it is a stranger.
#include <algorithm>
#include <optional>
#include <utility>

#include "media_helper/confine.hpp"
#include "media_helper/filter_library.hpp"
#include "media_helper/live_pipeline.hpp"
#include "media_helper/modes.hpp"

namespace runnel::media_helper {
namespace {

constexpr base::Duration kNoPace = std::chrono::hours{24};   // what comes is as live as it can be: nothing is held back

// Packets from the node as one stream of bytes, and what is made of them back. All work in between may hang: hostile media can do that.
class Fed {
 public:
  explicit Fed(HelperLink& link) : link_(link) {}

  // Waits for at least one byte; 0 once the node has gone.
  std::size_t read(base::MutableByteView to) {
    while (at_ == bytes_.size()) {
      busy_.reset();
      auto message = link_.receive();
      if (!message) {
        gone_ = true;
        return 0;
      }
      busy_.emplace(link_);
      auto* const packets = std::get_if<messages::Packets>(&*message);
      if (packets == nullptr) continue;
      bytes_ = std::move(packets->bytes);
      at_ = 0;
    }
    const std::size_t size = std::min(to.size(), bytes_.size() - at_);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), size, to.begin());
    at_ += size;
    return size;
  }
  void send(const messages::Message& message) {
    busy_.reset();
    link_.send(message);
    busy_.emplace(link_);
  }
  [[nodiscard]] bool gone() const { return gone_; }

 private:
  HelperLink& link_;
  std::optional<HelperLink::Busy> busy_;
  base::Bytes bytes_;
  std::size_t at_ = 0;
  bool gone_ = false;
};

class Follow {
 public:
  Follow(HelperLink& link, std::uint32_t first_epoch)
      : fed_(link),
        pipeline_({.link = &link, .first_epoch = first_epoch, .notice = [this](std::string line) { notice(std::move(line)); }},
                  {.on_init = [this](messages::Init init) { fed_.send(std::move(init)); },
                   .on_chunk = [this](messages::Chunk chunk) { fed_.send(std::move(chunk)); }}) {}

  // Until the node goes. Who tunes in between two tables, or before a picture can be begun with, tries again with what follows.
  void run() {
    while (!fed_.gone()) {
      const auto input = LiveInput::open_bytes([this](base::MutableByteView to) { return fed_.read(to); }, "mpegts");
      if (!input) {
        tell_once(input.error());
        continue;
      }
      Pacer pacer{kNoPace};
      const LivePipeline::Outcome outcome = pipeline_.run(**input, pacer);
      if (!outcome.error.empty()) tell_once(outcome.error);
    }
  }

 private:
  void notice(std::string line) { fed_.send(messages::Notice{std::move(line)}); }
  void tell_once(const std::string& why) {
    if (fed_.gone() || ++failures_ != kPatience) return;
    notice("what comes can not be played: " + why);
  }

  static constexpr int kPatience = 5;   // of half a megabyte each

  Fed fed_;
  LivePipeline pipeline_;
  int failures_ = 0;
};

}  // namespace

int run_follow(HelperLink& link) {
  const auto first = link.receive();
  const auto* const start = first ? std::get_if<messages::StartFollow>(&*first) : nullptr;
  if (start == nullptr) return 1;
  filter_library();   // before confine(): after it there is no opening
  if (auto confined = confine(Confinement::closed); !confined) {
    link.send(messages::Error{confined.error()});
    return 1;
  }
  Follow{link, start->first_epoch}.run();
  return 0;
}

}  // namespace runnel::media_helper
