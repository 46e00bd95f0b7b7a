#include "store/index_db.hpp"

#include <sqlite3.h>

#include <utility>

namespace runnel::store {
namespace {

// Layout of the tables; a later one is refused, so that an older program does not spoil it.
constexpr int kVersion = 1;

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS header(id INTEGER PRIMARY KEY CHECK(id = 1), root BLOB NOT NULL, algorithm INTEGER NOT NULL,"
    " chunk_size INTEGER NOT NULL, size INTEGER, boot_id TEXT NOT NULL, clean INTEGER NOT NULL,"
    " synced_size INTEGER, synced_inode INTEGER, synced_modified_ns INTEGER);"
    "CREATE TABLE IF NOT EXISTS claimed(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS synced(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
    "PRAGMA user_version=1;";

std::int64_t as_column(std::uint64_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

// A prepared statement; positions count from 1 as in SQLite.
class IndexDb::Statement {
 public:
  Statement(sqlite3* db, const std::string& sql) { sqlite3_prepare_v2(db, sql.c_str(), -1, &statement_, nullptr); }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void bind(int at, std::int64_t value) { sqlite3_bind_int64(statement_, at, value); }
  void bind(int at, base::ByteView bytes) { sqlite3_bind_blob64(statement_, at, bytes.data(), bytes.size(), SQLITE_TRANSIENT); }
  void bind(int at, const std::string& text) { sqlite3_bind_text(statement_, at, text.c_str(), -1, SQLITE_TRANSIENT); }
  // SQLITE_ROW, SQLITE_DONE or an error.
  int step() { return statement_ == nullptr ? SQLITE_ERROR : sqlite3_step(statement_); }
  void reset() { sqlite3_reset(statement_); }
  [[nodiscard]] bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  [[nodiscard]] std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  [[nodiscard]] std::uint64_t unsigned_number(int column) const { return static_cast<std::uint64_t>(number(column)); }
  [[nodiscard]] std::string text(int column) const {
    const auto* const bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return bytes == nullptr ? std::string{} : std::string{bytes};
  }
  [[nodiscard]] base::ByteView blob(int column) const {
    const auto* const bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

// What claim() does a thousand times for a gigabyte: prepared once.
struct IndexDb::ClaimStatements {
  explicit ClaimStatements(sqlite3* db)
      : begin(db, "BEGIN IMMEDIATE"),
        remove(db, "DELETE FROM claimed WHERE first BETWEEN ? AND ?"),
        insert(db, "INSERT INTO claimed VALUES(?,?)"),
        commit(db, "COMMIT") {}
  Statement begin, remove, insert, commit;
};

// Rolled back unless committed.
class IndexDb::Transaction {
 public:
  explicit Transaction(IndexDb& db) : db_(db), begun_(db.execute("BEGIN IMMEDIATE")) {}
  ~Transaction() {
    if (begun_ && !done_) static_cast<void>(db_.execute("ROLLBACK"));
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  [[nodiscard]] const std::expected<void, Error>& begun() const { return begun_; }
  std::expected<void, Error> commit() {
    auto result = db_.execute("COMMIT");
    done_ = result.has_value();
    return result;
  }

 private:
  IndexDb& db_;
  std::expected<void, Error> begun_;
  bool done_ = false;
};

void IndexDb::Closer::operator()(sqlite3* db) const { sqlite3_close_v2(db); }

IndexDb::IndexDb(Handle db, std::filesystem::path file) : db_(std::move(db)), file_(std::move(file)) {}
IndexDb::~IndexDb() = default;
IndexDb::IndexDb(IndexDb&&) noexcept = default;
IndexDb& IndexDb::operator=(IndexDb&&) noexcept = default;

Error IndexDb::failure(sqlite3* db, const std::filesystem::path& file) {
  const int code = db == nullptr ? SQLITE_NOMEM : sqlite3_errcode(db);
  const int os_error = db == nullptr ? 0 : sqlite3_system_errno(db);
  switch (code & 0xff) {
    case SQLITE_FULL: return {Fault::disk_full, os_error, file};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return {Fault::damaged_index, 0, file};
    case SQLITE_READONLY:
    case SQLITE_PERM: return {Fault::no_permission, os_error, file};
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return {Fault::in_use, 0, file};
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: return os_error != 0 ? error_from_errno(os_error, file) : Error{Fault::io_failed, 0, file};
    default: return {Fault::damaged_index, 0, file};
  }
}

std::expected<IndexDb::Handle, Error> IndexDb::connect(const std::filesystem::path& file, bool create) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_FULLMUTEX;
  const int opened = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
  Handle db(raw);
  if (opened != SQLITE_OK) return std::unexpected(failure(raw, file));
  sqlite3_busy_timeout(raw, 5000);   // ms; only our own checkpoint can hold it, under the folder's lock
  return db;
}

std::expected<IndexDb, Error> IndexDb::open(const std::filesystem::path& file) {
  auto handle = connect(file, true);
  if (!handle) return std::unexpected(handle.error());
  IndexDb db(std::move(*handle), file);
  // The log is moved by checkpoint() alone, after data and tree; 256 KiB of cache are plenty for the few rows that a commit touches.
  for (const char* const sql :
       {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "PRAGMA wal_autocheckpoint=0", "PRAGMA cache_size=-256"}) {
    if (auto set = db.execute(sql); !set) return std::unexpected(set.error());
  }
  {
    Statement version(db.db_.get(), "PRAGMA user_version");
    if (version.step() != SQLITE_ROW) return std::unexpected(failure(db.db_.get(), file));
    if (version.number(0) > kVersion) return std::unexpected(Error{Fault::damaged_index, 0, file});
    if (version.number(0) == kVersion) return db;
  }
  if (auto made = db.execute(kSchema); !made) return std::unexpected(made.error());
  return db;
}

std::expected<void, Error> IndexDb::execute(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return std::unexpected(failure(db_.get(), file_));
  return {};
}

std::expected<std::optional<IndexHeader>, Error> IndexDb::header() {
  Statement row(db_.get(),
                "SELECT root, algorithm, chunk_size, size, boot_id, clean, synced_size, synced_inode, synced_modified_ns FROM header");
  const int got = row.step();
  if (got == SQLITE_DONE) return std::optional<IndexHeader>{};
  if (got != SQLITE_ROW) return std::unexpected(failure(db_.get(), file_));
  const auto algorithm = row.unsigned_number(1);
  if (algorithm > static_cast<std::uint64_t>(crypto::HashAlgorithm::sha512)) return std::unexpected(Error{Fault::damaged_index, 0, file_});
  const auto hash = static_cast<crypto::HashAlgorithm>(algorithm);
  if (row.blob(0).size() != crypto::digest_size(hash)) return std::unexpected(Error{Fault::damaged_index, 0, file_});
  IndexHeader header{.root = crypto::Digest{row.blob(0)},
                     .algorithm = hash,
                     .chunk_size = static_cast<std::uint32_t>(row.number(2)),
                     .boot_id = row.text(4),
                     .clean = row.number(5) != 0};
  if (!row.is_null(3)) header.size = row.unsigned_number(3);
  if (!row.is_null(6)) header.synced_identity = {row.unsigned_number(6), row.unsigned_number(7), row.number(8)};
  return header;
}

std::expected<void, Error> IndexDb::save_header(const IndexHeader& header) {
  Statement row(db_.get(), "INSERT OR REPLACE INTO header VALUES(1,?,?,?,?,?,?,?,?,?)");
  row.bind(1, header.root.view());
  row.bind(2, static_cast<std::int64_t>(header.algorithm));
  row.bind(3, std::int64_t{header.chunk_size});
  if (header.size) row.bind(4, as_column(*header.size));
  row.bind(5, header.boot_id);
  row.bind(6, std::int64_t{header.clean});
  if (header.synced_identity) {
    row.bind(7, as_column(header.synced_identity->size));
    row.bind(8, as_column(header.synced_identity->inode));
    row.bind(9, header.synced_identity->modified_ns);
  }
  if (row.step() != SQLITE_DONE) return std::unexpected(failure(db_.get(), file_));
  return {};
}

std::expected<tree::IntervalSet, Error> IndexDb::load_runs(const char* table) {
  tree::IntervalSet runs;
  Statement row(db_.get(), std::string{"SELECT first, last FROM "} + table + " ORDER BY first");
  int got = row.step();
  for (; got == SQLITE_ROW; got = row.step()) {
    const std::int64_t first = row.number(0), last = row.number(1);
    if (first < 0 || last < first) return std::unexpected(Error{Fault::damaged_index, 0, file_});
    runs.insert({tree::ChunkIndex{row.unsigned_number(0)}, tree::ChunkIndex{row.unsigned_number(1)}});
  }
  if (got != SQLITE_DONE) return std::unexpected(failure(db_.get(), file_));
  return runs;
}

std::expected<tree::IntervalSet, Error> IndexDb::claimed() { return load_runs("claimed"); }
std::expected<tree::IntervalSet, Error> IndexDb::synced() { return load_runs("synced"); }

std::expected<void, Error> IndexDb::put_runs(const char* table, std::span<const tree::ChunkRange> runs) {
  Statement remove(db_.get(), std::string{"DELETE FROM "} + table + " WHERE first BETWEEN ? AND ?");
  Statement insert(db_.get(), std::string{"INSERT INTO "} + table + " VALUES(?,?)");
  return put_runs(remove, insert, runs);
}

std::expected<void, Error> IndexDb::put_runs(Statement& remove, Statement& insert, std::span<const tree::ChunkRange> runs) {
  for (const tree::ChunkRange run : runs) {
    for (Statement* const statement : {&remove, &insert}) {
      statement->bind(1, as_column(run.first.value()));
      statement->bind(2, as_column(run.last.value()));
      if (auto done = run_once(*statement); !done) return done;
    }
  }
  return {};
}

std::expected<void, Error> IndexDb::run_once(Statement& statement) {
  const int got = statement.step();
  std::expected<void, Error> done;
  if (got != SQLITE_DONE) done = std::unexpected(failure(db_.get(), file_));
  statement.reset();
  return done;
}

std::expected<void, Error> IndexDb::claim(std::span<const tree::ChunkRange> runs) {
  if (!claim_) claim_ = std::make_unique<ClaimStatements>(db_.get());
  if (auto begun = run_once(claim_->begin); !begun) return begun;
  auto done = put_runs(claim_->remove, claim_->insert, runs);
  if (done) done = run_once(claim_->commit);
  if (!done) {
    claim_.reset();   // prepared anew for the next try
    static_cast<void>(execute("ROLLBACK"));
  }
  return done;
}

std::expected<void, Error> IndexDb::mark_synced(std::span<const tree::ChunkRange> runs, const IndexHeader& header) {
  Transaction transaction(*this);
  if (!transaction.begun()) return transaction.begun();
  if (auto put = put_runs("synced", runs); !put) return put;
  if (auto saved = save_header(header); !saved) return saved;
  return transaction.commit();
}

std::expected<void, Error> IndexDb::replace_all(const tree::IntervalSet& claimed, const tree::IntervalSet& synced,
                                                const IndexHeader& header) {
  Transaction transaction(*this);
  if (!transaction.begun()) return transaction.begun();
  if (auto emptied = execute("DELETE FROM claimed; DELETE FROM synced"); !emptied) return emptied;
  if (auto put = put_runs("claimed", claimed.list()); !put) return put;
  if (auto put = put_runs("synced", synced.list()); !put) return put;
  if (auto saved = save_header(header); !saved) return saved;
  return transaction.commit();
}

std::expected<void, Error> IndexDb::checkpoint(const std::filesystem::path& file) {
  auto db = connect(file, false);
  if (!db) return std::unexpected(db.error());
  // PASSIVE: never waits for the owner's connection and is never waited for by it.
  const int result = sqlite3_wal_checkpoint_v2(db->get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (result != SQLITE_OK && result != SQLITE_BUSY) return std::unexpected(failure(db->get(), file));
  return {};
}

void IndexDb::remove(const std::filesystem::path& file) {
  std::error_code ignored;   // what is not there need not be removed
  for (const char* const suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + suffix, ignored);
}

}  // namespace runnel::store
