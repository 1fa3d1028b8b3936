// SPDX-License-Identifier: Apache-2.0
//
// The LTTng-UST provider `latchkey`, made from events.def. LTTng includes this file several times with other
// meanings of its macros, hence the unusual guard. Each event takes one pointer to its structure of events.h.
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER latchkey

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "preload/provider.h"

#if !defined(LATCHKEY_PROVIDER_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define LATCHKEY_PROVIDER_H

#include <lttng/tracepoint.h>

#include "preload/events.h"

#define NUM(type, name, doc) lttng_ust_field_integer(latchkey::events::type, name, e->name)
#define TXT(name, doc) lttng_ust_field_string(name, e->name)
#define SEQ(type, name, doc) \
    lttng_ust_field_sequence(latchkey::events::type, name, e->name, latchkey::events::u32, e->name##_count)
#define EVENT(name, doc, ...)                                                                       \
    LTTNG_UST_TRACEPOINT_EVENT(latchkey, name, LTTNG_UST_TP_ARGS(const latchkey::events::name*, e), \
                               LTTNG_UST_TP_FIELDS(__VA_ARGS__))
#include "preload/events.def"
#undef EVENT
#undef NUM
#undef TXT
#undef SEQ

#endif

#include <lttng/tracepoint-event.h>
