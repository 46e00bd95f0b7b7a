// A file in a swarm, as the service thread sees it: its bytes by offset, and how much of it is here.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "net/engine_loop.hpp"
#include "node/static_host.hpp"
#include "node/stream_base.hpp"

namespace runnel::node {

// Service thread. `host` belongs to the engine's thread and is reached by posting.
class StaticStream final : public StreamBase, public media::ContentReader {
 public:
  struct Parts {
    boost::asio::io_context& service;
    net::EngineLoop& loop;
    StaticHost& host;
  };
  StaticStream(swarm::SwarmHandle handle, std::string role, swarm::Link link, Parts parts, std::string file_name);

  [[nodiscard]] bool is_live() const override { return false; }
  // nullptr until the size is known, and the seek index, if the link names one, is here.
  media::ContentReader* content() override { return size_ && (!parsed_link().index || index_) ? this : nullptr; }
  [[nodiscard]] std::string mime() const override;
  [[nodiscard]] std::string file_name() const override { return file_name_; }
  [[nodiscard]] std::optional<base::Bytes> scanned_index() const override { return index_; }
  media::LiveTimeline* timeline() override { return nullptr; }

  // ---- media::ContentReader ----
  [[nodiscard]] std::uint64_t size() const override { return size_.value_or(0); }
  Token read(std::uint64_t offset, std::size_t length, Callback callback) override;
  void cancel(Token token) override;

  void set_size(std::uint64_t bytes) { size_ = bytes; }
  void set_index(base::Bytes index) { index_ = std::move(index); }
  void set_mime(std::string mime) { mime_ = std::move(mime); }
  void set_complete(base::Duration transfer) {
    complete_ = true;
    transfer_ = transfer;
  }
  void set_first_bytes_here() { first_bytes_ = true; }
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] StaticHost& host() { return parts_.host; }

  [[nodiscard]] discovery::TransferStats transfer_stats() const override;
  [[nodiscard]] bool playable() const override { return first_bytes_ && size_ && (!parsed_link().index || index_); }
  [[nodiscard]] std::string state_word() const override;

 protected:
  void fill(player::StreamStatus& status) const override;

 private:
  Parts parts_;
  std::string file_name_;
  std::string mime_;
  std::optional<std::uint64_t> size_;
  std::optional<base::Bytes> index_;
  bool complete_ = false;
  base::Duration transfer_{};
  bool first_bytes_ = false;
  Token next_token_ = 1;
  // Shared with the tasks under way on the other thread, which look here whether anyone still waits.
  std::shared_ptr<std::map<Token, Callback>> waiting_ = std::make_shared<std::map<Token, Callback>>();
};

}  // namespace runnel::node
