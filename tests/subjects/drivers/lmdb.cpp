// SPDX-License-Identifier: Apache-2.0
//
// LMDB: one writer at a time over all processes, by a robust process-shared mutex in a mapped file.
// The 4 GiB map is sparse. Without SYNC the environment is opened with MDB_NOSYNC.
#include <filesystem>
#include <lmdb.h>
#include <stdexcept>
#include <utility>

#include "tests/subjects/drivers/harness.h"

namespace latchkey::subjects {
namespace {

constexpr size_t kMapBytes = size_t{4} << 30;
constexpr mdb_mode_t kFileMode = 0600;

void check(int error) {
    if (error != 0) throw std::runtime_error(mdb_strerror(error));
}

// A transaction that is given up unless it was committed.
class Transaction {
  public:
    Transaction(MDB_env* env, unsigned flags) { check(mdb_txn_begin(env, nullptr, flags, &txn_)); }
    ~Transaction() {
        if (txn_ != nullptr) mdb_txn_abort(txn_);
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    MDB_txn* get() const { return txn_; }
    void commit() { check(mdb_txn_commit(std::exchange(txn_, nullptr))); }

  private:
    MDB_txn* txn_ = nullptr;
};

class LmdbSession : public Session {
  public:
    LmdbSession(MDB_env* env, MDB_dbi dbi) : env_(env), dbi_(dbi) {}

    void write(uint64_t key, std::string_view value) override {
        Transaction transaction(env_, 0);
        MDB_val name{sizeof key, &key};
        MDB_val data{value.size(), const_cast<char*>(value.data())};
        check(mdb_put(transaction.get(), dbi_, &name, &data, 0));
        transaction.commit();
    }

    bool read(uint64_t key) override {
        const Transaction transaction(env_, MDB_RDONLY);
        MDB_val name{sizeof key, &key};
        MDB_val data{};
        const int error = mdb_get(transaction.get(), dbi_, &name, &data);
        if (error != MDB_NOTFOUND) check(error);
        return error == 0;
    }

  private:
    MDB_env* env_;
    MDB_dbi dbi_;
};

class LmdbEngine : public Engine {
  public:
    LmdbEngine(const std::string& dir, bool sync) {
        std::filesystem::create_directories(dir);
        check(mdb_env_create(&env_));
        check(mdb_env_set_mapsize(env_, kMapBytes));
        check(mdb_env_open(env_, dir.c_str(), MDB_NOTLS | (sync ? 0 : MDB_NOSYNC), kFileMode));
        Transaction transaction(env_, 0);
        check(mdb_dbi_open(transaction.get(), nullptr, MDB_INTEGERKEY | MDB_CREATE, &dbi_));
        transaction.commit();
    }
    ~LmdbEngine() override { mdb_env_close(env_); }

    std::unique_ptr<Session> session() override { return std::make_unique<LmdbSession>(env_, dbi_); }

    void scan(const Visitor& visit) override {
        const Transaction transaction(env_, MDB_RDONLY);
        MDB_cursor* cursor = nullptr;
        check(mdb_cursor_open(transaction.get(), dbi_, &cursor));
        MDB_val key{};
        MDB_val data{};
        while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0)
            visit(*static_cast<const uint64_t*>(key.mv_data),
                  {static_cast<char*>(data.mv_data), data.mv_size});
        mdb_cursor_close(cursor);
    }

  private:
    MDB_env* env_ = nullptr;
    MDB_dbi dbi_ = 0;
};

}  // namespace
}  // namespace latchkey::subjects

int main(int argc, char** argv) {
    using namespace latchkey::subjects;
    const auto open = [](const std::string& dir, bool sync) {
        return std::make_unique<LmdbEngine>(dir, sync);
    };
    return run_subject(argc, argv, {"driver-lmdb", 100'000, true, open});
}
