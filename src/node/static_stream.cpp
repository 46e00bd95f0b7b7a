#include "node/static_stream.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <filesystem>

namespace runnel::node {

StaticStream::StaticStream(swarm::SwarmHandle handle, std::string role, swarm::Link link, Parts parts, std::string file_name)
    : StreamBase(handle, std::move(role), std::move(link)), parts_(parts), file_name_(std::move(file_name)) {}

std::string StaticStream::mime() const {
  if (!mime_.empty()) return mime_;
  // Until somebody has looked inside: what the name says.
  struct Known {
    std::string_view extension, mime;
  };
  constexpr Known kKnown[] = {{".mp4", "video/mp4"}, {".m4v", "video/mp4"},       {".mkv", "video/x-matroska"}, {".webm", "video/webm"},
                              {".ts", "video/mp2t"}, {".mov", "video/quicktime"}, {".mp3", "audio/mpeg"},       {".m4a", "audio/mp4"},
                              {".ogg", "audio/ogg"}, {".flac", "audio/flac"},     {".avi", "video/x-msvideo"},  {".mpg", "video/mpeg"}};
  const std::string extension = std::filesystem::path{file_name_}.extension().string();
  const auto it = std::ranges::find(kKnown, extension, &Known::extension);
  return it == std::end(kKnown) ? "application/octet-stream" : std::string{it->mime};
}

media::ContentReader::Token StaticStream::read(std::uint64_t offset, std::size_t length, Callback callback) {
  const Token token = next_token_++;
  waiting_->emplace(token, std::move(callback));
  auto answer = [waiting = waiting_, token, &service = parts_.service](std::expected<base::Bytes, std::string> bytes) {
    boost::asio::post(service, [waiting, token, bytes = std::move(bytes)]() mutable {
      const auto it = waiting->find(token);
      if (it == waiting->end()) return;
      const Callback done = std::move(it->second);
      waiting->erase(it);
      done(std::move(bytes));
    });
  };
  if (length == 0) {
    answer(base::Bytes{});
    return token;
  }
  parts_.loop.post([&host = parts_.host, token, offset, length, answer = std::move(answer)]() mutable {
    host.read(token, offset, length, std::move(answer));
  });
  return token;
}

void StaticStream::cancel(Token token) {
  if (waiting_->erase(token) == 0) return;
  parts_.loop.post([&host = parts_.host, token] { host.cancel(token); });
}

discovery::TransferStats StaticStream::transfer_stats() const {
  const swarm::SwarmState& state = swarm_state();
  const std::uint64_t missing = state.total_chunks ? *state.total_chunks - std::min(state.have_chunks, *state.total_chunks) : 1;
  return {state.up_bytes, state.down_bytes, complete_ ? 0 : std::max<std::uint64_t>(1, missing * parsed_link().chunk_size_bytes())};
}

std::string StaticStream::state_word() const {
  if (complete_) return "seeding";
  if (swarm_state().peers.empty()) return "connecting";
  return first_bytes_ ? "playing" : "waiting for media";
}

void StaticStream::fill(player::StreamStatus& status) const {
  status.transfer_s = std::chrono::duration<double>(transfer_).count();
  status.total_bytes = size_.value_or(0);
  status.have_bytes =
      complete_ ? status.total_bytes : std::min(swarm_state().have_chunks * parsed_link().chunk_size_bytes(), status.total_bytes);
}

}  // namespace runnel::node
