// Logging: lines to stderr, each with a level, a component and a message. The sink (spdlog) stands in log.cpp alone.
// Core does not log: it emits events. Thread-safe.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace runnel::base {

enum class LogLevel { trace, debug, info, warn, error };

std::optional<LogLevel> parse_log_level(std::string_view name);
void set_log_level(LogLevel level);
void log(LogLevel level, std::string_view component, std::string_view message);

inline void log_debug(std::string_view component, std::string_view message) { log(LogLevel::debug, component, message); }
inline void log_info(std::string_view component, std::string_view message) { log(LogLevel::info, component, message); }
inline void log_warn(std::string_view component, std::string_view message) { log(LogLevel::warn, component, message); }
inline void log_error(std::string_view component, std::string_view message) { log(LogLevel::error, component, message); }

}  // namespace runnel::base
