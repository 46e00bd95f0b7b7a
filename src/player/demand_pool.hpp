// On-demand media sessions: one per stream, made when first needed, ended when idle, shared by all clients.
#pragma once
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "player/http_server.hpp"
#include "player/http_types.hpp"

namespace runnel::player {

class DemandPool {
 public:
  template <class T>
  using Callback = std::function<void(std::expected<T, std::string>)>;
  using Index = std::shared_ptr<const media::DemandIndex>;

  DemandPool(boost::asio::io_context& io, const HttpServer::Config& config);
  ~DemandPool();
  DemandPool(const DemandPool&) = delete;
  DemandPool& operator=(const DemandPool&) = delete;

  // `stream` has content. The callback comes once, possibly from inside, and may drop the Work; dropping it cancels.
  [[nodiscard]] Work index(Stream& stream, Callback<Index> callback);
  [[nodiscard]] Work init(Stream& stream, std::uint32_t track, Callback<Piece> callback);
  // A session overtakes older requests for a track with newer ones, which suits one player that seeks but not two that watch
  // different places. So requests for a track take turns here, and only one whose client has gone is overtaken.
  [[nodiscard]] Work segment(Stream& stream, std::uint32_t track, std::uint32_t number, Callback<Piece> callback);

  void forget(std::string_view stream_id);

 private:
  class Entry;
  class Job;
  std::shared_ptr<Entry> entry(Stream& stream);

  boost::asio::io_context& io_;
  media::HelperConfig helper_;
  DemandFactory start_;
  std::chrono::milliseconds idle_;
  std::map<std::string, std::shared_ptr<Entry>, std::less<>> entries_;
};

}  // namespace runnel::player
