// SPDX-License-Identifier: Apache-2.0
//
// RocksDB with one flush and one compaction thread, whose callers soon wait for them.
//
// Environment: WBUF write buffer bytes (4 MiB), ADAPT=1 adaptive mutexes, LOWPRI=1 idle CPU and I/O
// priority for the LOW pool, LOWPRI=2 for LOW and HIGH: a priority inversion.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <stdexcept>

#include "tests/subjects/drivers/harness.h"

namespace latchkey::subjects {
namespace {

void check(const rocksdb::Status& status) {
    if (!status.ok()) throw std::runtime_error(status.ToString());
}

class Key {
  public:
    explicit Key(uint64_t number) { std::snprintf(text_, sizeof text_, "%016" PRIx64, number); }
    rocksdb::Slice slice() const { return {text_, sizeof text_ - 1}; }

  private:
    char text_[17];
};

class RocksSession : public Session {
  public:
    RocksSession(rocksdb::DB& db, bool sync) : db_(db) { write_options_.sync = sync; }

    void write(uint64_t key, std::string_view value) override {
        check(db_.Put(write_options_, Key(key).slice(), rocksdb::Slice(value.data(), value.size())));
    }

    bool read(uint64_t key) override {
        const auto status = db_.Get(rocksdb::ReadOptions(), Key(key).slice(), &found_);
        if (!status.IsNotFound()) check(status);
        return status.ok();
    }

  private:
    rocksdb::DB& db_;
    rocksdb::WriteOptions write_options_;
    std::string found_;
};

rocksdb::Options options_from_environment() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.write_buffer_size = option("WBUF", 4u << 20);
    options.max_write_buffer_number = 2;
    options.max_background_jobs = 2;
    options.level0_slowdown_writes_trigger = 8;
    options.level0_stop_writes_trigger = 12;
    options.use_adaptive_mutex = option("ADAPT") != 0;
    return options;
}

void set_up_pools(rocksdb::Env& env) {
    env.SetBackgroundThreads(1, rocksdb::Env::HIGH);
    env.SetBackgroundThreads(1, rocksdb::Env::LOW);
    const uint64_t lowered = option("LOWPRI");
    for (const auto pool : {rocksdb::Env::LOW, rocksdb::Env::HIGH}) {
        if (lowered < (pool == rocksdb::Env::LOW ? 1u : 2u)) continue;
        check(env.LowerThreadPoolCPUPriority(pool, rocksdb::CpuPriority::kIdle));
        env.LowerThreadPoolIOPriority(pool);
    }
}

class RocksEngine : public Engine {
  public:
    RocksEngine(const std::string& dir, bool sync) : sync_(sync) {
        set_up_pools(*rocksdb::Env::Default());
        rocksdb::DB* db = nullptr;
        check(rocksdb::DB::Open(options_from_environment(), dir, &db));
        db_.reset(db);
    }

    std::unique_ptr<Session> session() override { return std::make_unique<RocksSession>(*db_, sync_); }

    void scan(const Visitor& visit) override {
        const std::unique_ptr<rocksdb::Iterator> entry(db_->NewIterator(rocksdb::ReadOptions()));
        for (entry->SeekToFirst(); entry->Valid(); entry->Next())
            visit(std::strtoull(entry->key().ToString().c_str(), nullptr, 16), entry->value().ToStringView());
        check(entry->status());
    }

    std::string remark() override {
        std::string stats;
        db_->GetProperty("rocksdb.stats", &stats);
        const size_t begin = stats.find("Cumulative stall");
        return begin == std::string::npos ? "" : stats.substr(begin, stats.find('\n', begin) - begin);
    }

  private:
    bool sync_;
    std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace
}  // namespace latchkey::subjects

int main(int argc, char** argv) {
    using namespace latchkey::subjects;
    const auto open = [](const std::string& dir, bool sync) {
        return std::make_unique<RocksEngine>(dir, sync);
    };
    return run_subject(argc, argv, {"driver-rocksdb", 1'000'000, false, open});
}
