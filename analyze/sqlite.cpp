// SPDX-License-Identifier: Apache-2.0
#include "analyze/sqlite.h"

#include <sqlite3.h>

namespace latchkey {

namespace {

/// Names come from other people's programs; what is not UTF-8 becomes '?', so that every reader can read it.
std::string as_utf8(std::string_view text) {
    std::string clean(text);
    for (std::size_t i = 0; i < clean.size();) {
        const auto lead = static_cast<unsigned char>(clean[i]);
        std::size_t more = lead < 0x80                   ? 0
                           : lead >= 0xc2 && lead < 0xe0 ? 1
                           : lead >= 0xe0 && lead < 0xf0 ? 2
                                                         : 9;
        std::size_t seen = 1;
        while (seen <= more && i + seen < clean.size() && (clean[i + seen] & 0xc0) == 0x80) ++seen;
        if (seen != more + 1) clean[i] = '?', more = 0;
        i += more + 1;
    }
    return clean;
}

}  // namespace

Database::Database(const std::string& path) {
    if (sqlite3_open(path.c_str(), &handle_) != SQLITE_OK) fail(sqlite3_errmsg(handle_));
}

Database::~Database() {
    sqlite3_close(handle_);
}

void Database::fail(const std::string& what) {
    if (error_.empty()) error_ = what;
}

void Database::execute(const std::string& sql) {
    if (!ok()) return;
    char* message = nullptr;
    if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, &message) != SQLITE_OK) fail(message);
    sqlite3_free(message);
}

void Database::close() {
    if (sqlite3_close(handle_) != SQLITE_OK) fail("statements still open");
    handle_ = nullptr;
}

Statement::Statement(Database& database, const std::string& sql) : database_(database) {
    if (!database.ok()) return;
    if (sqlite3_prepare_v2(database.handle(), sql.c_str(), -1, &handle_, nullptr) != SQLITE_OK)
        database.fail(sqlite3_errmsg(database.handle()));
}

Statement::~Statement() {
    sqlite3_finalize(handle_);
}

void Statement::bind(int place, std::nullptr_t) {
    sqlite3_bind_null(handle_, place);
}

void Statement::bind(int place, std::int64_t value) {
    sqlite3_bind_int64(handle_, place, value);
}

void Statement::bind(int place, std::string_view value) {
    const std::string clean = as_utf8(value);
    sqlite3_bind_text(handle_, place, clean.data(), static_cast<int>(clean.size()), SQLITE_TRANSIENT);
}

void Statement::bind(int place, const Blob& value) {
    if (value.bytes.empty()) return bind(place, nullptr);
    sqlite3_bind_blob(handle_, place, value.bytes.data(), static_cast<int>(value.bytes.size()),
                      SQLITE_TRANSIENT);
}

bool Statement::step() {
    if (!database_.ok()) return false;
    const int result = sqlite3_step(handle_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) database_.fail(sqlite3_errmsg(database_.handle()));
    return result == SQLITE_ROW;
}

void Statement::reset() {
    sqlite3_reset(handle_);
}

std::optional<std::string> Statement::text(int column) const {
    const unsigned char* value = sqlite3_column_text(handle_, column);
    if (value == nullptr) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(value));
}

std::optional<std::int64_t> Statement::number(int column) const {
    if (sqlite3_column_type(handle_, column) == SQLITE_NULL) return std::nullopt;
    return sqlite3_column_int64(handle_, column);
}

Rows::Rows(Database& database, const std::string& table, int columns)
    : insert_(database, [&] {
          std::string sql = "INSERT INTO " + table + " VALUES(";
          for (int i = 0; i < columns; ++i) sql += i == 0 ? "?" : ",?";
          return sql + ")";
      }()) {}

}  // namespace latchkey
