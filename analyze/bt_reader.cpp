// SPDX-License-Identifier: Apache-2.0
#include "analyze/bt_reader.h"

#include <babeltrace2/babeltrace.h>

#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

namespace latchkey {

namespace {

constexpr std::string_view kProvider = "latchkey:";

/// What the graph's sink needs while it runs.
struct State {
    Source& source;
    RecordSink& sink;
    BtResult& result;
    bt_message_iterator* messages = nullptr;
};

std::uint64_t number_in(const bt_field* field) {
    switch (bt_field_get_class_type(field)) {
        case BT_FIELD_CLASS_TYPE_UNSIGNED_INTEGER:
        case BT_FIELD_CLASS_TYPE_UNSIGNED_ENUMERATION:
            return bt_field_integer_unsigned_get_value(field);
        case BT_FIELD_CLASS_TYPE_SIGNED_INTEGER:
        case BT_FIELD_CLASS_TYPE_SIGNED_ENUMERATION:
            return static_cast<std::uint64_t>(bt_field_integer_signed_get_value(field));
        default:
            return 0;
    }
}

const bt_field* member(const bt_field* structure, const std::string& name) {
    return structure == nullptr
               ? nullptr
               : bt_field_structure_borrow_member_field_by_name_const(structure, name.c_str());
}

/// A visitor that fills a record from a payload; keeps the bytes of sequences while the record is in use.
class BtFields {
  public:
    explicit BtFields(const bt_field* payload) : payload_(payload) {}

    template <typename T>
    void number(std::string_view name, T& value) {
        const bt_field* field = member(payload_, std::string(name));
        if (field != nullptr) value = static_cast<T>(number_in(field));
    }

    void text(std::string_view name, std::string_view& value) {
        const bt_field* field = member(payload_, std::string(name));
        if (field != nullptr && bt_field_get_class_type(field) == BT_FIELD_CLASS_TYPE_STRING)
            value = {bt_field_string_get_value(field), bt_field_string_get_length(field)};
    }

    template <typename T>
    void sequence(std::string_view name, Sequence<T>& value) {
        const bt_field* field = member(payload_, std::string(name));
        if (field == nullptr ||
            !bt_field_class_type_is(bt_field_get_class_type(field), BT_FIELD_CLASS_TYPE_ARRAY))
            return;
        const std::uint64_t count = bt_field_array_get_length(field);
        std::vector<unsigned char>& bytes = bytes_.emplace_back(count * sizeof(T));
        for (std::uint64_t i = 0; i < count; ++i) {
            const T element =
                static_cast<T>(number_in(bt_field_array_borrow_element_field_by_index_const(field, i)));
            std::memcpy(bytes.data() + i * sizeof(T), &element, sizeof element);
        }
        value = {bytes.data(), static_cast<std::uint32_t>(count)};
    }

  private:
    const bt_field* payload_;
    std::deque<std::vector<unsigned char>> bytes_;
};

std::int32_t context_number(const bt_event* event, const char* name) {
    const bt_field* field = member(bt_event_borrow_common_context_field_const(event), name);
    return field == nullptr ? 0 : static_cast<std::int32_t>(number_in(field));
}

void deliver(State& state, const bt_message* message) {
    const bt_event* event = bt_message_event_borrow_event_const(message);
    const char* name = bt_event_class_get_name(bt_event_borrow_class_const(event));
    std::string_view short_name = name != nullptr ? name : "";
    EventId id = EventId::count;
    if (short_name.starts_with(kProvider)) {
        short_name.remove_prefix(kProvider.size());
        for (std::size_t i = 0; i < kEventCount; ++i)
            if (kEventNames[i] == short_name) id = static_cast<EventId>(i);
    }
    if (id == EventId::count) {
        ++state.result.foreign;
        return;
    }
    const std::uint64_t ts =
        bt_clock_snapshot_get_value(bt_message_event_borrow_default_clock_snapshot_const(message));
    with_record(id, [&](auto& record) {
        BtFields fields(bt_event_borrow_payload_field_const(event));
        for_each_field(record, fields);
        state.sink.event(state.source, ts, context_number(event, "vpid"), context_number(event, "vtid"),
                         record);
    });
}

void count_discarded(State& state, const bt_message* message) {
    std::uint64_t count = 0;
    if (bt_message_discarded_events_get_count(message, &count) == BT_PROPERTY_AVAILABILITY_AVAILABLE &&
        count < (std::uint64_t{1} << 62))  // a counter that ran backwards
        state.result.lost += count;
}

bt_graph_simple_sink_component_initialize_func_status initialize(bt_message_iterator* messages, void* data) {
    static_cast<State*>(data)->messages = messages;
    return BT_GRAPH_SIMPLE_SINK_COMPONENT_INITIALIZE_FUNC_STATUS_OK;
}

bt_graph_simple_sink_component_consume_func_status consume(bt_message_iterator* messages, void* data) {
    State& state = *static_cast<State*>(data);
    bt_message_array_const batch = nullptr;
    std::uint64_t count = 0;
    const auto status = bt_message_iterator_next(messages, &batch, &count);
    if (status != BT_MESSAGE_ITERATOR_NEXT_STATUS_OK)
        return static_cast<bt_graph_simple_sink_component_consume_func_status>(status);
    for (std::uint64_t i = 0; i < count; ++i) {
        const bt_message_type type = bt_message_get_type(batch[i]);
        if (type == BT_MESSAGE_TYPE_EVENT) deliver(state, batch[i]);
        if (type == BT_MESSAGE_TYPE_DISCARDED_EVENTS) count_discarded(state, batch[i]);
        bt_message_put_ref(batch[i]);
    }
    return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_OK;
}

template <auto Release>
struct Releaser {
    template <typename T>
    void operator()(T* object) const {
        Release(object);
    }
};
using Graph = std::unique_ptr<bt_graph, Releaser<bt_graph_put_ref>>;
using Plugin = std::unique_ptr<const bt_plugin, Releaser<bt_plugin_put_ref>>;
using Value = std::unique_ptr<bt_value, Releaser<bt_value_put_ref>>;

Plugin find_plugin(const char* name) {
    const bt_plugin* plugin = nullptr;
    bt_plugin_find(name, BT_FALSE, BT_FALSE, BT_TRUE, BT_FALSE, BT_FALSE, &plugin);
    return Plugin(plugin);
}

/// Adds source.ctf.fs for the folder, flt.utils.muxer behind it, and our sink. False: something is missing.
bool build(bt_graph* graph, const Plugin& ctf, const Plugin& utils, const std::string& folder, State& state) {
    const auto* source_class = bt_plugin_borrow_source_component_class_by_name_const(ctf.get(), "fs");
    const auto* muxer_class = bt_plugin_borrow_filter_component_class_by_name_const(utils.get(), "muxer");
    const Value parameters(bt_value_map_create());
    bt_value* inputs = nullptr;
    if (source_class == nullptr || muxer_class == nullptr ||
        bt_value_map_insert_empty_array_entry(parameters.get(), "inputs", &inputs) != 0 ||
        bt_value_array_append_string_element(inputs, folder.c_str()) != 0)
        return false;
    const bt_component_source* source = nullptr;
    const bt_component_filter* muxer = nullptr;
    const bt_component_sink* sink = nullptr;
    if (bt_graph_add_source_component(graph, source_class, "source", parameters.get(), BT_LOGGING_LEVEL_NONE,
                                      &source) != 0 ||
        bt_graph_add_filter_component(graph, muxer_class, "muxer", nullptr, BT_LOGGING_LEVEL_NONE, &muxer) !=
            0 ||
        bt_graph_add_simple_sink_component(graph, "sink", initialize, consume, nullptr, &state, &sink) != 0)
        return false;
    for (std::uint64_t i = 0; i < bt_component_source_get_output_port_count(source); ++i)
        if (bt_graph_connect_ports(graph, bt_component_source_borrow_output_port_by_index_const(source, i),
                                   bt_component_filter_borrow_input_port_by_index_const(muxer, i),
                                   nullptr) != 0)
            return false;
    return bt_graph_connect_ports(graph, bt_component_filter_borrow_output_port_by_index_const(muxer, 0),
                                  bt_component_sink_borrow_input_port_by_index_const(sink, 0), nullptr) == 0;
}

/// The innermost cause of the library's current error.
std::string take_error() {
    const bt_error* error = bt_current_thread_take_error();
    if (error == nullptr) return "libbabeltrace2 cannot read it";
    std::string text;
    if (bt_error_get_cause_count(error) > 0)
        text = bt_error_cause_get_message(bt_error_borrow_cause_by_index(error, 0));
    bt_error_release(error);
    return text.substr(0, text.find('\n'));
}

}  // namespace

BtResult read_with_babeltrace(const std::filesystem::path& folder, Source& source, RecordSink& sink) {
    BtResult result;
    const Plugin ctf = find_plugin("ctf");
    const Plugin utils = find_plugin("utils");
    if (ctf == nullptr || utils == nullptr) {
        result.problem = "libbabeltrace2's plugins are not installed";
        return result;
    }
    State state{source, sink, result};
    const Graph graph(bt_graph_create(0));
    if (!build(graph.get(), ctf, utils, folder.string(), state) ||
        bt_graph_run(graph.get()) != BT_GRAPH_RUN_STATUS_OK)
        result.problem = take_error();
    return result;
}

}  // namespace latchkey
