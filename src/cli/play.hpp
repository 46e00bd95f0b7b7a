// Starting a player for what is watched.
#pragma once
#include <expected>
#include <string>

namespace runnel::cli {

// mpv, vlc, browser or none; the error is a text for the user. The player runs on by itself.
std::expected<void, std::string> start_player(const std::string& player, const std::string& stream_url, const std::string& page_url);
// What to use when nobody said: the browser where there is a screen, else none.
std::string default_player();

}  // namespace runnel::cli
