// SPDX-License-Identifier: Apache-2.0
//
// LevelDB with its defaults: std::mutex everywhere, condition variables on the writers' stacks, one
// background thread that never names itself. Environment: WBUF write buffer bytes (4 MiB).
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <leveldb/db.h>
#include <leveldb/options.h>
#include <stdexcept>

#include "tests/subjects/drivers/harness.h"

namespace latchkey::subjects {
namespace {

void check(const leveldb::Status& status) {
    if (!status.ok()) throw std::runtime_error(status.ToString());
}

class Key {
  public:
    explicit Key(uint64_t number) { std::snprintf(text_, sizeof text_, "%016" PRIx64, number); }
    leveldb::Slice slice() const { return {text_, sizeof text_ - 1}; }

  private:
    char text_[17];
};

class LevelSession : public Session {
  public:
    LevelSession(leveldb::DB& db, bool sync) : db_(db) { write_options_.sync = sync; }

    void write(uint64_t key, std::string_view value) override {
        check(db_.Put(write_options_, Key(key).slice(), leveldb::Slice(value.data(), value.size())));
    }

    bool read(uint64_t key) override {
        const auto status = db_.Get(leveldb::ReadOptions(), Key(key).slice(), &found_);
        if (!status.IsNotFound()) check(status);
        return status.ok();
    }

  private:
    leveldb::DB& db_;
    leveldb::WriteOptions write_options_;
    std::string found_;
};

class LevelEngine : public Engine {
  public:
    LevelEngine(const std::string& dir, bool sync) : sync_(sync) {
        leveldb::Options options;
        options.create_if_missing = true;
        options.write_buffer_size = option("WBUF", options.write_buffer_size);
        leveldb::DB* db = nullptr;
        check(leveldb::DB::Open(options, dir, &db));
        db_.reset(db);
    }

    std::unique_ptr<Session> session() override { return std::make_unique<LevelSession>(*db_, sync_); }

    void scan(const Visitor& visit) override {
        const std::unique_ptr<leveldb::Iterator> entry(db_->NewIterator(leveldb::ReadOptions()));
        for (entry->SeekToFirst(); entry->Valid(); entry->Next())
            visit(std::strtoull(entry->key().ToString().c_str(), nullptr, 16),
                  {entry->value().data(), entry->value().size()});
        check(entry->status());
    }

  private:
    bool sync_;
    std::unique_ptr<leveldb::DB> db_;
};

}  // namespace
}  // namespace latchkey::subjects

int main(int argc, char** argv) {
    using namespace latchkey::subjects;
    const auto open = [](const std::string& dir, bool sync) {
        return std::make_unique<LevelEngine>(dir, sync);
    };
    return run_subject(argc, argv, {"driver-leveldb", 1'000'000, false, open});
}
