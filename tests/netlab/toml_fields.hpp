// Reads a TOML table so that nothing in it is overlooked: what nobody asked for is an error that names the key and its line.
// For lab_file.cpp; throws FileError, which does not leave it.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <toml++/toml.h>

namespace runnel::netlab {

struct FileError {
  std::string what;
};

// One table: every key is asked for by name, and what nobody asked for is an error.
class Fields {
 public:
  Fields(const toml::table& table, std::string name) : table_(table), name_(std::move(name)) {}

  [[nodiscard]] const toml::node* find(std::string_view key) {
    asked_.emplace(key);
    return table_.get(key);
  }
  [[nodiscard]] std::string path_of(std::string_view key) const {
    return name_.empty() ? std::string{key} : name_ + "." + std::string{key};
  }
  [[noreturn]] void refuse(std::string_view key, const std::string& why) const {
    const toml::node* node = table_.get(key);
    const std::string line = node == nullptr ? "" : "line " + std::to_string(node->source().begin.line) + ": ";
    throw FileError{line + path_of(key) + ": " + why};
  }
  // The value, if the key is there.
  template <class T>
  [[nodiscard]] std::optional<T> value(std::string_view key, const char* type) {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    const auto found = node->value<T>();
    if (!found) refuse(key, std::string{"must be "} + type);
    return found;
  }
  [[nodiscard]] std::optional<double> number(std::string_view key, double min, double max) {
    const auto found = value<double>(key, "a number");
    if (found && !(*found >= min && *found <= max)) refuse(key, between(min, max));
    return found;
  }
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max) {
    const auto found = value<std::int64_t>(key, "a whole number");
    if (found && (*found < min || *found > max)) refuse(key, between(static_cast<double>(min), static_cast<double>(max)));
    return found;
  }
  [[nodiscard]] std::optional<Fields> section(std::string_view key) {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    if (!node->is_table()) refuse(key, "must be a table");
    return Fields{*node->as_table(), path_of(key)};
  }
  [[nodiscard]] const toml::array* array(std::string_view key) {
    const toml::node* node = find(key);
    if (node != nullptr && !node->is_array()) refuse(key, "must be an array");
    return node == nullptr ? nullptr : node->as_array();
  }
  void done() const {
    for (const auto& [key, node] : table_) {
      if (!asked_.contains(key.str())) refuse(key.str(), "no such key");
    }
  }
  [[nodiscard]] const toml::table& table() const { return table_; }

 private:
  static std::string between(double min, double max) { return fmt_number(min) + " to " + fmt_number(max) + " is possible"; }
  static std::string fmt_number(double value) {
    std::string text = std::to_string(value);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
  }

  const toml::table& table_;
  std::string name_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace runnel::netlab
