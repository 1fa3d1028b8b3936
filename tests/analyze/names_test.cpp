// SPDX-License-Identifier: Apache-2.0
//
// Everything that makes a short, stable name of something long and random.
#include <gtest/gtest.h>

#include "analyze/io_model.h"
#include "analyze/naming.h"
#include "analyze/roles.h"
#include "analyze/sqlite.h"
#include "analyze/symbols.h"

namespace latchkey {
namespace {

TEST(ShortName, LosesArgumentsTemplatesAndReturnTypes) {
    const std::pair<const char*, const char*> cases[] = {
        {"main", "main"},
        {"pthread_mutex_lock@@GLIBC_2.2.5", "pthread_mutex_lock"},
        {"_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector::push_back"},
        {"_ZN7rocksdb6DBImpl9WriteImplERKNS_12WriteOptionsEPNS_10WriteBatchE", "rocksdb::DBImpl::WriteImpl"},
        {"_ZNK3FooclEv", "Foo::operator()"},
        {"_ZN3FoolsEi", "Foo::operator<<"},
        {"_ZN3FooltERKS_", "Foo::operator<"},
        {"_ZN12_GLOBAL__N_13runEv", "run"},
        {"_ZSt4moveIRiEONSt16remove_referenceIT_E4typeEOS2_", "std::move"},
        {"_ZN3FooC2Ei", "Foo::Foo"},
        {"_ZZ4mainENKUlvE_clEv", "main::{lambda#1}::operator()"},
        {"_Znot_mangled", "_Znot_mangled"},
        {"f", "f"},  // the name of the type float, where it is mangled
    };
    for (const auto& [linker, expected] : cases) EXPECT_EQ(short_name(linker), expected) << linker;
}

TEST(FoldIndexes, FoldsIndexesAndLeavesWords) {
    EXPECT_EQ(fold_indexes("writer12"), "writer*");
    EXPECT_EQ(fold_indexes("rocksdb:low"), "rocksdb:low");
    EXPECT_EQ(fold_indexes("io-3/8 x"), "io-*/* x");
    EXPECT_EQ(fold_indexes("h2o_thread"), "h2o_thread");
    EXPECT_EQ(fold_indexes("7"), "*");
    EXPECT_EQ(fold_indexes(""), "");
}

TEST(LockWrapper, AreFunctionsThatOnlyPassOn) {
    EXPECT_TRUE(is_lock_wrapper("rocksdb::port::Mutex::Lock", "librocksdb.so.7"));
    EXPECT_TRUE(is_lock_wrapper("rocksdb::port::CondVar::TimedWait", "librocksdb.so.7"));
    EXPECT_TRUE(is_lock_wrapper("rocksdb::port::Mutex::Mutex", "librocksdb.so.7"));
    EXPECT_TRUE(is_lock_wrapper("inline_mysql_mutex_init", "mariadbd"));
    EXPECT_TRUE(is_lock_wrapper("std::condition_variable::wait", "program"));
    EXPECT_TRUE(is_lock_wrapper("", "libstdc++.so.6"));
    EXPECT_FALSE(is_lock_wrapper("rocksdb::DBImpl::WriteImpl", "librocksdb.so.7"));
    EXPECT_FALSE(is_lock_wrapper("lock_rec_lock", "mariadbd"));
    EXPECT_FALSE(is_lock_wrapper("MDL_lock::remove_ticket", "mariadbd"));
    EXPECT_FALSE(is_lock_wrapper("main", "program"));
}

TEST(FileNames, FilesThatDifferInDigitsAreOne) {
    FileNames names;
    const std::uint32_t log = names.id_of("/db/000012.log");
    EXPECT_EQ(names.name(log), "/db/000012.log") << "alone it keeps its name";
    EXPECT_EQ(names.id_of("/db/000034.log"), log);
    EXPECT_EQ(names.id_of("/db/000034.log"), log);
    EXPECT_EQ(names.name(log), "/db/*.log");
    EXPECT_EQ(names.instances(log), 2u);
    EXPECT_NE(names.id_of("/db/LOG"), log);
    EXPECT_EQ(names.id_of("/data1/base/5/1663"), names.id_of("/data1/base/6/99"));
    EXPECT_NE(names.id_of("/data1/x/base/5/1663"), names.id_of("/data2/x/base/5/1663")) << "directories stay";
    EXPECT_EQ(names.id_of(""), 0u);
}

TEST(FileNames, ClassesAreBounded) {
    FileNames names;
    for (int i = 0; i < 20'000; ++i)
        names.id_of("/f/" + std::string(1 + i % 100, 'a') + std::string(1 + i / 100, 'b'));
    EXPECT_LE(names.size(), 4098u);
    EXPECT_EQ(names.name(names.id_of("/f/one more")), "(other files)");
}

TEST(Sqlite, WhatIsNotUtf8IsMadeReadable) {
    Database db(":memory:");
    db.execute("CREATE TABLE t(x TEXT)");
    {
        Rows rows(db, "t", 1);
        rows(
            std::string("a\xff"
                        "b\xc3\xa4\xe2\x82"));
    }
    Statement read(db, "SELECT x FROM t");
    ASSERT_TRUE(read.step());
    EXPECT_EQ(read.text(0), "a?b\xc3\xa4??");
}

}  // namespace
}  // namespace latchkey
