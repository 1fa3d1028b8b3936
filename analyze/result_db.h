// SPDX-License-Identifier: Apache-2.0
//
// result.db appears whole or not at all: it is written beside its place under another name, readable by
// its owner only, and renamed when complete.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "analyze/sqlite.h"

namespace latchkey {

struct Results;

class ResultFile {
  public:
    /// Creates the temporary file and the tables of schema.sql.
    explicit ResultFile(const std::filesystem::path& path);
    /// Removes the temporary file if it was not committed.
    ~ResultFile();

    Database& db() { return *db_; }
    const std::filesystem::path& path() const { return path_; }
    /// Puts the file in its place. False: `why` tells what failed, the old file is untouched.
    bool commit(std::string& why);

  private:
    std::filesystem::path path_, temporary_;
    std::unique_ptr<Database> db_;
};

/// Fills all tables.
void store_all(Results& results);

}  // namespace latchkey
