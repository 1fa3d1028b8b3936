// SPDX-License-Identifier: Apache-2.0
//
// liblatchkey-events.so: everything of Latchkey that knows LTTng. It exports one table of functions
// (events.h).
#define LTTNG_UST_TRACEPOINT_HIDDEN_DEFINITION
#define LTTNG_UST_TRACEPOINT_PROVIDER_HIDDEN_DEFINITION
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "preload/provider.h"

namespace {

#define EVENT(name, doc, ...)                           \
    void emit_##name(const latchkey::events::name* e) { \
        lttng_ust_tracepoint(latchkey, name, e);        \
    }
#include "preload/events.def"
#undef EVENT

}  // namespace

extern "C" [[gnu::visibility("default")]] const latchkey::events::Table latchkey_event_table;
const latchkey::events::Table latchkey_event_table = {
#define EVENT(name, doc, ...) .name = emit_##name,
#include "preload/events.def"
#undef EVENT
};
