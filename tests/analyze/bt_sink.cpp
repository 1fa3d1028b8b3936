// SPDX-License-Identifier: Apache-2.0
//
// bt_sink TRACE_FOLDER: reads a trace through libbabeltrace2, muxed by time, each event's contexts and
// payload numbers field by field, and prints how many events there were and a checksum. The reference of the
// benchmark `analyze`: the least that any libbabeltrace2 analysis must do.
#include <babeltrace2/babeltrace.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>

namespace {

struct Sums {
    std::uint64_t events = 0, checksum = 0;
};

std::uint64_t numbers_in(const bt_field* structure) {
    std::uint64_t sum = 0;
    const std::uint64_t count =
        bt_field_class_structure_get_member_count(bt_field_borrow_class_const(structure));
    for (std::uint64_t i = 0; i < count; ++i) {
        const bt_field* field = bt_field_structure_borrow_member_field_by_index_const(structure, i);
        const bt_field_class_type type = bt_field_get_class_type(field);
        if (type == BT_FIELD_CLASS_TYPE_UNSIGNED_INTEGER)
            sum += bt_field_integer_unsigned_get_value(field);
        else if (type == BT_FIELD_CLASS_TYPE_SIGNED_INTEGER)
            sum += static_cast<std::uint64_t>(bt_field_integer_signed_get_value(field));
    }
    return sum;
}

void take(const bt_message* message, Sums& sums) {
    if (bt_message_get_type(message) != BT_MESSAGE_TYPE_EVENT) return;
    const bt_event* event = bt_message_event_borrow_event_const(message);
    ++sums.events;
    sums.checksum +=
        bt_clock_snapshot_get_value(bt_message_event_borrow_default_clock_snapshot_const(message));
    sums.checksum += bt_event_class_get_id(bt_event_borrow_class_const(event));
    sums.checksum += numbers_in(bt_event_borrow_common_context_field_const(event));
    sums.checksum += numbers_in(bt_event_borrow_payload_field_const(event));
}

bt_graph_simple_sink_component_initialize_func_status initialize(bt_message_iterator*, void*) {
    return BT_GRAPH_SIMPLE_SINK_COMPONENT_INITIALIZE_FUNC_STATUS_OK;
}

bt_graph_simple_sink_component_consume_func_status consume(bt_message_iterator* messages, void* sums) {
    bt_message_array_const batch = nullptr;
    std::uint64_t count = 0;
    const auto status = bt_message_iterator_next(messages, &batch, &count);
    for (std::uint64_t i = 0; i < count; ++i) {
        take(batch[i], *static_cast<Sums*>(sums));
        bt_message_put_ref(batch[i]);
    }
    return static_cast<bt_graph_simple_sink_component_consume_func_status>(status);
}

/// source.ctf.fs -> flt.utils.muxer -> our sink. False: something is missing.
bool build(bt_graph* graph, const char* trace, Sums& sums) {
    const bt_plugin *ctf = nullptr, *utils = nullptr;
    bt_plugin_find("ctf", BT_FALSE, BT_FALSE, BT_TRUE, BT_FALSE, BT_FALSE, &ctf);
    bt_plugin_find("utils", BT_FALSE, BT_FALSE, BT_TRUE, BT_FALSE, BT_FALSE, &utils);
    if (ctf == nullptr || utils == nullptr) return false;
    bt_value* parameters = bt_value_map_create();
    bt_value* inputs = nullptr;
    bt_value_map_insert_empty_array_entry(parameters, "inputs", &inputs);
    bt_value_array_append_string_element(inputs, trace);
    const bt_component_source* source = nullptr;
    const bt_component_filter* muxer = nullptr;
    const bt_component_sink* sink = nullptr;
    if (bt_graph_add_source_component(graph, bt_plugin_borrow_source_component_class_by_name_const(ctf, "fs"),
                                      "source", parameters, BT_LOGGING_LEVEL_NONE, &source) != 0 ||
        bt_graph_add_filter_component(graph,
                                      bt_plugin_borrow_filter_component_class_by_name_const(utils, "muxer"),
                                      "muxer", nullptr, BT_LOGGING_LEVEL_NONE, &muxer) != 0 ||
        bt_graph_add_simple_sink_component(graph, "sink", initialize, consume, nullptr, &sums, &sink) != 0)
        return false;
    for (std::uint64_t i = 0; i < bt_component_source_get_output_port_count(source); ++i)
        bt_graph_connect_ports(graph, bt_component_source_borrow_output_port_by_index_const(source, i),
                               bt_component_filter_borrow_input_port_by_index_const(muxer, i), nullptr);
    return bt_graph_connect_ports(graph, bt_component_filter_borrow_output_port_by_index_const(muxer, 0),
                                  bt_component_sink_borrow_input_port_by_index_const(sink, 0), nullptr) == 0;
}

}  // namespace

int main(int argc, char** argv) {
    Sums sums;
    bt_graph* graph = bt_graph_create(0);
    if (argc != 2 || !build(graph, argv[1], sums) || bt_graph_run(graph) != BT_GRAPH_RUN_STATUS_OK) {
        std::fprintf(stderr, "usage: bt_sink TRACE_FOLDER (readable by libbabeltrace2)\n");
        return 2;
    }
    std::printf("%" PRIu64 " %" PRIu64 "\n", sums.events, sums.checksum);
    return 0;
}
