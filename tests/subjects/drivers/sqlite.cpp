// SPDX-License-Identifier: Apache-2.0
//
// SQLite in WAL mode, one connection per thread: callers wait by fcntl locks and sleeping.
//
// Environment: ROLLBACK=1 rollback journal, ONECONN=1 one connection for all threads, SHARED=1 shared
// cache, FULLMUTEX=1 serialized connections (ONECONN implies it).
#include <filesystem>
#include <sqlite3.h>
#include <stdexcept>
#include <unistd.h>

#include "tests/subjects/drivers/harness.h"

namespace latchkey::subjects {
namespace {

constexpr int kBusyTimeoutMs = 20'000;
constexpr useconds_t kRetryUs = 200;

struct CloseConnection {
    void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};
struct CloseStatement {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Connection = std::shared_ptr<sqlite3>;
using Statement = std::unique_ptr<sqlite3_stmt, CloseStatement>;

[[noreturn]] void fail(sqlite3* connection) {
    throw std::runtime_error(connection == nullptr ? "out of memory" : sqlite3_errmsg(connection));
}

// A shared cache answers SQLITE_LOCKED at once, and a deadlock among connections SQLITE_BUSY.
bool is_busy(int code) {
    return (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
}

void execute(sqlite3* connection, const char* sql) {
    int code = SQLITE_OK;
    while (is_busy(code = sqlite3_exec(connection, sql, nullptr, nullptr, nullptr))) usleep(kRetryUs);
    if (code != SQLITE_OK) fail(connection);
}

Statement prepare(sqlite3* connection, const char* sql) {
    sqlite3_stmt* statement = nullptr;
    int code = SQLITE_OK;
    while (is_busy(code = sqlite3_prepare_v2(connection, sql, -1, &statement, nullptr))) usleep(kRetryUs);
    if (code != SQLITE_OK) fail(connection);
    return Statement(statement);
}

// Runs a statement that yields at most one row; says whether it did.
bool run_once(sqlite3* connection, sqlite3_stmt* statement) {
    int code = SQLITE_OK;
    while (is_busy(code = sqlite3_step(statement))) {
        sqlite3_reset(statement);
        usleep(kRetryUs);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) fail(connection);
    sqlite3_reset(statement);
    return code == SQLITE_ROW;
}

Connection connect(const std::string& file, bool sync) {
    const int threading =
        option("FULLMUTEX") + option("ONECONN") != 0 ? SQLITE_OPEN_FULLMUTEX : SQLITE_OPEN_NOMUTEX;
    const int cache = option("SHARED") != 0 ? SQLITE_OPEN_SHAREDCACHE : 0;
    sqlite3* opened = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | threading | cache;
    const int code = sqlite3_open_v2(file.c_str(), &opened, flags, nullptr);
    Connection connection(opened, CloseConnection());
    if (code != SQLITE_OK) fail(opened);
    sqlite3_busy_timeout(opened, kBusyTimeoutMs);
    execute(opened, option("ROLLBACK") != 0 ? "PRAGMA journal_mode=DELETE" : "PRAGMA journal_mode=WAL");
    execute(opened, sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    return connection;
}

class SqliteSession : public Session {
  public:
    explicit SqliteSession(Connection connection)
        : connection_(std::move(connection)),
          insert_(prepare(connection_.get(), "INSERT OR REPLACE INTO kv(k, v) VALUES(?, ?)")),
          select_(prepare(connection_.get(), "SELECT v FROM kv WHERE k = ?")) {}

    void write(uint64_t key, std::string_view value) override {
        sqlite3_bind_int64(insert_.get(), 1, static_cast<sqlite3_int64>(key));
        sqlite3_bind_blob(insert_.get(), 2, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
        run_once(connection_.get(), insert_.get());
    }

    bool read(uint64_t key) override {
        sqlite3_bind_int64(select_.get(), 1, static_cast<sqlite3_int64>(key));
        return run_once(connection_.get(), select_.get());
    }

  private:
    Connection connection_;
    Statement insert_;
    Statement select_;
};

class SqliteEngine : public Engine {
  public:
    SqliteEngine(const std::string& dir, bool sync) : file_(dir + "/kv.db"), sync_(sync) {
        std::filesystem::create_directories(dir);
        first_ = connect(file_, sync_);
        execute(first_.get(), "CREATE TABLE IF NOT EXISTS kv(k INTEGER PRIMARY KEY, v BLOB)");
    }

    std::unique_ptr<Session> session() override {
        return std::make_unique<SqliteSession>(option("ONECONN") != 0 ? first_ : connect(file_, sync_));
    }

    void scan(const Visitor& visit) override {
        const Statement entries = prepare(first_.get(), "SELECT k, v FROM kv ORDER BY k");
        int code = SQLITE_OK;
        while ((code = sqlite3_step(entries.get())) == SQLITE_ROW) {
            const auto* data = static_cast<const char*>(sqlite3_column_blob(entries.get(), 1));
            visit(static_cast<uint64_t>(sqlite3_column_int64(entries.get(), 0)),
                  {data, static_cast<size_t>(sqlite3_column_bytes(entries.get(), 1))});
        }
        if (code != SQLITE_DONE) fail(first_.get());
    }

  private:
    std::string file_;
    bool sync_;
    Connection first_;
};

}  // namespace
}  // namespace latchkey::subjects

int main(int argc, char** argv) {
    using namespace latchkey::subjects;
    const auto open = [](const std::string& dir, bool sync) {
        return std::make_unique<SqliteEngine>(dir, sync);
    };
    return run_subject(argc, argv, {"driver-sqlite", 100'000, true, open});
}
