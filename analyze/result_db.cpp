// SPDX-License-Identifier: Apache-2.0
#include "analyze/result_db.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "analyze/schema_sql.h"
#include "analyze/store.h"

namespace latchkey {

ResultFile::ResultFile(const std::filesystem::path& path)
    : path_(path), temporary_(path.string() + ".new." + std::to_string(getpid())) {
    // Created here and not by SQLite, for the mode.
    const int fd = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    const int error = errno;
    if (fd >= 0) close(fd);
    db_ = std::make_unique<Database>(fd >= 0 ? temporary_.string() : ":memory:");
    if (fd < 0) db_->fail(std::strerror(error));
    db_->execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN");
    db_->execute(kSchemaSql);
}

ResultFile::~ResultFile() {
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
}

bool ResultFile::commit(std::string& why) {
    db_->execute("COMMIT");
    db_->close();
    if (db_->ok() && rename(temporary_.c_str(), path_.c_str()) != 0) db_->fail(std::strerror(errno));
    why = db_->error();
    return db_->ok();
}

void store_all(Results& results) {
    store_meta(results);
    store_locks(results);
    store_signals(results);
    store_io(results);
    store_people(results);
    store_program(results);
    store_quality(results);
}

}  // namespace latchkey
