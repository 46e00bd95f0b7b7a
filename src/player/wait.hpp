// Waiting for a stream to get somewhere: on each change of its timeline, and now and then for what tells no one.
#pragma once
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>

#include "media/live_timeline.hpp"
#include "player/http_types.hpp"

namespace runnel::player {

// Calls done(true) once `ready` holds, looked at now, at each change of `timeline` (may be nullptr) and each 50 ms; done(false)
// after `limit`. `done` is called once, possibly from inside, and is the last thing done. Dropping the Work cancels.
Work wait_until(boost::asio::io_context& io, media::LiveTimeline* timeline, std::chrono::milliseconds limit, std::function<bool()> ready,
                std::function<void(bool)> done);

}  // namespace runnel::player
