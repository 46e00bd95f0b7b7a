// The source of a live swarm for older peers: CMAF chunks become a transport stream by way of the media helper, cut into full munros.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "media/transport.hpp"
#include "node/live_source.hpp"

namespace runnel::node {

// Service thread.
class TransportSource final : public LiveSource {
 public:
  // A munro that is not full goes out so long after its first byte came, filled with null packets: a stream of less than 2.6 Mb/s takes
  // that much.
  static constexpr std::chrono::milliseconds kLongestWait{100};
  // Indices kept free ahead of what is written down: five seconds of 100 Mb/s, and no more than a viewer follows at once.
  static constexpr std::uint64_t kReserve = 65'536;
  // What 32 bits name, all-ones left out: 4 TiB of stream.
  static constexpr std::uint64_t kIndices = 0xffff'ffff;

  struct Setup {
    boost::asio::io_context& io;
    media::HelperConfig helper;
    std::function<void(std::string)> on_error;   // the stream can not go on; a text for the user
  };
  TransportSource(LiveOutlet outlet, ChannelKey key, Setup setup);

  void on_init(media::InitSegment init) override;
  void on_chunk(media::MediaChunk chunk) override;
  void on_end() override;
  void close() override;

 protected:
  void note_used(ChannelState& state, bool reserve) const override;

 private:
  void on_packets(base::ByteView packets);
  void fill_later();
  void publish_munro(base::Bytes munro);

  std::function<void(std::string)> on_error_;
  boost::asio::steady_timer timer_;
  bool timed_ = false;                // it runs
  media::TransportFiller filler_;
  std::uint64_t next_;                // index of the next munro's first chunk
  bool failed_ = false;
  std::unique_ptr<media::TsSession> ts_;
};

}  // namespace runnel::node
