// SPDX-License-Identifier: Apache-2.0
//
// RAII over SQLite, as much as the analyser needs; the only header that knows SQLite. SQLite is also our
// JSON reader: run.json is small and SQLite is linked anyway.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace latchkey {

struct Blob {
    std::string bytes;
};

class Database {
  public:
    /// Opens or creates the file (":memory:" for none); check ok().
    explicit Database(const std::string& path);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    bool ok() const { return error_.empty(); }
    /// The first error; later work does nothing.
    const std::string& error() const { return error_; }
    void execute(const std::string& sql);
    /// Closes the file; errors of the last writes show in error().
    void close();
    sqlite3* handle() { return handle_; }
    void fail(const std::string& what);

  private:
    sqlite3* handle_ = nullptr;
    std::string error_;
};

class Statement {
  public:
    Statement(Database& database, const std::string& sql);
    ~Statement();
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    void bind(int place, std::nullptr_t);
    void bind(int place, std::int64_t value);
    void bind(int place, std::uint64_t value) { bind(place, static_cast<std::int64_t>(value)); }
    void bind(int place, std::uint32_t value) { bind(place, static_cast<std::int64_t>(value)); }
    void bind(int place, int value) { bind(place, static_cast<std::int64_t>(value)); }
    void bind(int place, std::string_view value);
    void bind(int place, const std::string& value) { bind(place, std::string_view(value)); }
    void bind(int place, const char* value) { bind(place, std::string_view(value)); }
    void bind(int place, const Blob& value);
    template <typename T>
    void bind(int place, const std::optional<T>& value) {
        if (value)
            bind(place, *value);
        else
            bind(place, nullptr);
    }

    /// True while there is a row.
    bool step();
    void reset();
    std::optional<std::string> text(int column) const;
    std::optional<std::int64_t> number(int column) const;

  private:
    Database& database_;
    sqlite3_stmt* handle_ = nullptr;
};

/// Inserts rows into one table: `rows(a, b, c)` binds a value for each column in order.
class Rows {
  public:
    Rows(Database& database, const std::string& table, int columns);
    template <typename... Values>
    void operator()(const Values&... values) {
        int place = 0;
        (insert_.bind(++place, values), ...);
        insert_.step();
        insert_.reset();
    }

  private:
    Statement insert_;
};

}  // namespace latchkey
