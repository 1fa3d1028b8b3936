// SPDX-License-Identifier: Apache-2.0
//
// emit_all EVENTS_LIBRARY COUNT: emits COUNT random events of each kind through the real LTTng provider and
// prints what it emitted, in the words of `latchkey-analyze --dump`.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>

#include "analyze/dump.h"
#include "preload/events.h"
#include "tests/analyze/random_record.h"

namespace {

using namespace latchkey;

/// Texts end in NUL in the provider's structures.
const char* c_text(std::string_view text) {
    static std::deque<std::string> kept;
    return kept.emplace_back(text).c_str();
}

/// Sequences are aligned there.
template <typename T>
const T* c_array(const Sequence<T>& sequence) {
    static std::deque<std::vector<T>> kept;
    std::vector<T>& copy = kept.emplace_back();
    for (std::uint32_t i = 0; i < sequence.count; ++i) copy.push_back(sequence[i]);
    return copy.data();
}

#define NUM(type, field, help) event.field = record.field;
#define TXT(field, help) event.field = c_text(record.field);
#define SEQ(type, field, help)                \
    event.field##_count = record.field.count; \
    event.field = c_array(record.field);
#define EVENT(name, help, ...)                                          \
    void emit(const events::Table& table, const record::name& record) { \
        events::name event{};                                           \
        __VA_ARGS__                                                     \
        table.name(&event);                                             \
    }
#include "preload/events.def"
#undef EVENT
#undef NUM
#undef TXT
#undef SEQ

}  // namespace

int main(int argc, char** argv) {
    void* library = argc == 3 ? dlopen(argv[1], RTLD_NOW) : nullptr;
    if (library == nullptr) {
        std::fprintf(stderr, "usage: emit_all EVENTS_LIBRARY COUNT\n");
        return 2;
    }
    const auto* table = static_cast<const events::Table*>(dlsym(library, events::kTableSymbol));
    if (table == nullptr) return 1;
    std::mt19937_64 random(17);
    for (int i = 0; i < std::atoi(argv[2]); ++i) {
        for (std::size_t id = 0; id < kEventCount; ++id) {
            with_record(static_cast<EventId>(id), [&](auto& record) {
                testing::RecordFiller filler(random);
                for_each_field(record, filler);
                emit(*table, record);
                std::printf("%s", kEventNames[id].data());
                FieldPrinter printer(stdout);
                for_each_field(record, printer);
                std::printf("\n");
            });
        }
    }
    return 0;
}
