#include "tracker/store.hpp"

#include "tracker/memory_store.hpp"
#include "tracker/sqlite_store.hpp"

namespace runnel::tracker {

std::expected<std::unique_ptr<TrackerStore>, std::string> open_store(const OpenStore& open) {
  constexpr std::string_view kSqlite = "sqlite:";
  if (open.spec == "memory") return std::make_unique<MemoryStore>(open.limits);
  if (open.spec.starts_with(kSqlite) && open.spec.size() > kSqlite.size()) return SqliteStore::open(open.spec.substr(kSqlite.size()), open);
  return std::unexpected("unknown tracker store '" + open.spec + "' (memory or sqlite:FILE)");
}

}  // namespace runnel::tracker
