// What static and live streams share on the service thread: identity, state for display, rates.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/discovery/types.hpp"
#include "core/swarm/io.hpp"
#include "core/swarm/link.hpp"
#include "player/stream.hpp"

namespace runnel::node {

// Service thread.
class StreamBase : public player::Stream {
 public:
  StreamBase(swarm::SwarmHandle handle, std::string role, swarm::Link link);

  [[nodiscard]] const std::string& id() const override { return id_; }
  [[nodiscard]] const std::string& title() const override { return title_; }
  [[nodiscard]] const std::string& link() const override { return link_text_; }
  [[nodiscard]] const std::string& open_link() const override { return open_link_text_; }
  [[nodiscard]] const std::string& role() const override { return role_; }
  [[nodiscard]] player::StreamStatus status() const override;

  [[nodiscard]] swarm::SwarmHandle handle() const { return handle_; }
  [[nodiscard]] const swarm::Link& parsed_link() const { return link_; }
  void set_link(swarm::Link link);
  void set_problem(std::string problem) { problem_ = std::move(problem); }
  void clear_problem() { problem_.clear(); }
  // A snapshot of the engine's, taken now and then.
  virtual void update(const swarm::SwarmState& state);
  [[nodiscard]] const swarm::SwarmState& swarm_state() const { return state_; }
  void set_tracker_lines(std::vector<std::string> lines) { trackers_ = std::move(lines); }
  [[nodiscard]] virtual discovery::TransferStats transfer_stats() const = 0;
  [[nodiscard]] virtual bool playable() const = 0;
  [[nodiscard]] virtual std::string state_word() const = 0;

 protected:
  virtual void fill(player::StreamStatus&) const {}

 private:
  swarm::SwarmHandle handle_;
  std::string role_;
  swarm::Link link_;
  std::string id_;
  std::string title_;
  std::string link_text_;
  std::string open_link_text_;
  std::string problem_;
  swarm::SwarmState state_;
  std::vector<std::string> trackers_;
};

}  // namespace runnel::node
