// The four kinds of TrackPath; make_video_path() and make_audio_path() choose.
#pragma once
#include "media_helper/track_path.hpp"

namespace runnel::media_helper {

std::unique_ptr<TrackPath> pass_video(const PathOptions& options);
std::expected<std::unique_ptr<TrackPath>, std::string> pass_audio(const PathOptions& options);
std::expected<std::unique_ptr<TrackPath>, std::string> encode_video(const PathOptions& options);
std::expected<std::unique_ptr<TrackPath>, std::string> encode_audio(const PathOptions& options);

}  // namespace runnel::media_helper
