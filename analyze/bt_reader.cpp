// SPDX-License-Identifier: Apache-2.0
#include "analyze/bt_reader.h"

#include <babeltrace2/babeltrace.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

namespace latchkey {

namespace {

constexpr std::string_view kProvider = "latchkey:";
constexpr std::uint64_t kImpossibleLoss = std::uint64_t{1} << 62;  // a counter that ran backwards

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

EventId event_id(const bt_event* event) {
    const char* name = bt_event_class_get_name(bt_event_borrow_class_const(event));
    std::string_view short_name = name != nullptr ? name : "";
    if (!short_name.starts_with(kProvider)) return EventId::count;
    short_name.remove_prefix(kProvider.size());
    const auto found = std::find(kEventNames.begin(), kEventNames.end(), short_name);
    return static_cast<EventId>(found - kEventNames.begin());
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
using Message = std::unique_ptr<const bt_message, Releaser<bt_message_put_ref>>;

struct Plugins {
    Plugin ctf, utils;
    static Plugin find(const char* name) {
        const bt_plugin* plugin = nullptr;
        bt_plugin_find(name, BT_FALSE, BT_FALSE, BT_TRUE, BT_FALSE, BT_FALSE, &plugin);
        return Plugin(plugin);
    }
    Plugins() : ctf(find("ctf")), utils(find("utils")) {}
    bool are_there() const { return ctf != nullptr && utils != nullptr; }
};

/// The library's current error in one line.
std::string take_error() {
    const bt_error* error = bt_current_thread_take_error();
    if (error == nullptr) return "libbabeltrace2 cannot read it";
    std::string text = "libbabeltrace2 cannot read it";
    if (bt_error_get_cause_count(error) > 0)
        text = bt_error_cause_get_message(bt_error_borrow_cause_by_index(error, 0));
    bt_error_release(error);
    return text.substr(0, text.find('\n'));
}

/// One folder's graph, run as far as its next event: source.ctf.fs, flt.utils.muxer, our sink.
class Input {
  public:
    Input(BtFolder& folder, const Plugins& plugins, RecordSink& sink)
        : folder_(folder), sink_(sink), graph_(bt_graph_create(0)) {
        if (!plugins.are_there())
            folder_.problem = "libbabeltrace2's plugins are not installed";
        else if (!build(plugins))
            folder_.problem = take_error();
    }
    Input(const Input&) = delete;

    /// Makes sure that there is an event at hand. False: the folder has ended.
    bool fetch() {
        while (folder_.problem.empty() && events_.empty()) {
            const bt_graph_run_once_status status = bt_graph_run_once(graph_.get());
            if (status == BT_GRAPH_RUN_ONCE_STATUS_END) break;
            if (status != BT_GRAPH_RUN_ONCE_STATUS_OK && status != BT_GRAPH_RUN_ONCE_STATUS_AGAIN)
                folder_.problem = take_error();
        }
        return !events_.empty();
    }

    /// Time of the event at hand.
    std::uint64_t timestamp() const { return time_of(events_.front()); }

    /// Hands the event at hand to the sink.
    void deliver() {
        const bt_event* event = bt_message_event_borrow_event_const(events_.front().get());
        with_record(event_id(event), [&](auto& record) {
            BtFields fields(bt_event_borrow_payload_field_const(event));
            for_each_field(record, fields);
            sink_.event(folder_.source, timestamp(), context_number(event, "vpid"),
                        context_number(event, "vtid"), record);
        });
        events_.pop_front();
    }

  private:
    static std::uint64_t time_of(const Message& event) {
        return bt_clock_snapshot_get_value(bt_message_event_borrow_default_clock_snapshot_const(event.get()));
    }

    bool build(const Plugins& plugins) {
        const auto* source_class =
            bt_plugin_borrow_source_component_class_by_name_const(plugins.ctf.get(), "fs");
        const auto* muxer_class =
            bt_plugin_borrow_filter_component_class_by_name_const(plugins.utils.get(), "muxer");
        const Value parameters(bt_value_map_create());
        bt_value* inputs = nullptr;
        const bt_component_source* source = nullptr;
        const bt_component_filter* muxer = nullptr;
        const bt_component_sink* sink = nullptr;
        bt_graph* graph = graph_.get();
        if (source_class == nullptr || muxer_class == nullptr ||
            bt_value_map_insert_empty_array_entry(parameters.get(), "inputs", &inputs) != 0 ||
            bt_value_array_append_string_element(inputs, folder_.path.c_str()) != 0 ||
            bt_graph_add_source_component(graph, source_class, "source", parameters.get(),
                                          BT_LOGGING_LEVEL_NONE, &source) != 0 ||
            bt_graph_add_filter_component(graph, muxer_class, "muxer", nullptr, BT_LOGGING_LEVEL_NONE,
                                          &muxer) != 0 ||
            bt_graph_add_simple_sink_component(graph, "sink", initialize, consume, nullptr, this, &sink) != 0)
            return false;
        for (std::uint64_t i = 0; i < bt_component_source_get_output_port_count(source); ++i)
            if (bt_graph_connect_ports(
                    graph, bt_component_source_borrow_output_port_by_index_const(source, i),
                    bt_component_filter_borrow_input_port_by_index_const(muxer, i), nullptr) != 0)
                return false;
        return bt_graph_connect_ports(graph, bt_component_filter_borrow_output_port_by_index_const(muxer, 0),
                                      bt_component_sink_borrow_input_port_by_index_const(sink, 0),
                                      nullptr) == 0;
    }

    static bt_graph_simple_sink_component_initialize_func_status initialize(bt_message_iterator*, void*) {
        return BT_GRAPH_SIMPLE_SINK_COMPONENT_INITIALIZE_FUNC_STATUS_OK;
    }

    static bt_graph_simple_sink_component_consume_func_status consume(bt_message_iterator* messages,
                                                                      void* self) {
        bt_message_array_const batch = nullptr;
        std::uint64_t count = 0;
        const auto status = bt_message_iterator_next(messages, &batch, &count);
        if (status != BT_MESSAGE_ITERATOR_NEXT_STATUS_OK)
            return static_cast<bt_graph_simple_sink_component_consume_func_status>(status);
        for (std::uint64_t i = 0; i < count; ++i) static_cast<Input*>(self)->take(Message(batch[i]));
        return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_OK;
    }

    void take(Message message) {
        const bt_message_type type = bt_message_get_type(message.get());
        if (type == BT_MESSAGE_TYPE_DISCARDED_EVENTS) take_loss(message.get());
        if (type != BT_MESSAGE_TYPE_EVENT) return;
        if (event_id(bt_message_event_borrow_event_const(message.get())) == EventId::count) {
            ++folder_.foreign;
            return;
        }
        events_.push_back(std::move(message));
        last_ns_ = time_of(events_.back());
    }

    void take_loss(const bt_message* message) {
        std::uint64_t lost = 0;
        if (bt_message_discarded_events_get_count(message, &lost) != BT_PROPERTY_AVAILABILITY_AVAILABLE ||
            lost >= kImpossibleLoss)
            return;
        folder_.lost += lost;
        // The library gives the loss the time of the packet after it: it began after the last event before.
        const auto* end = bt_message_discarded_events_borrow_end_default_clock_snapshot_const(message);
        const std::uint64_t end_ns = bt_clock_snapshot_get_value(end);
        sink_.loss(folder_.source.folder, {std::min(last_ns_, end_ns), end_ns});
    }

    BtFolder& folder_;
    RecordSink& sink_;
    Graph graph_;
    std::deque<Message> events_;
    std::uint64_t last_ns_ = 0;  // of the last event taken
};

}  // namespace

void read_with_babeltrace(std::vector<BtFolder>& folders, RecordSink& sink) {
    if (folders.empty()) return;
    const Plugins plugins;
    std::deque<Input> inputs;
    std::vector<Input*> open;
    for (BtFolder& folder : folders)
        if (Input& input = inputs.emplace_back(folder, plugins, sink); input.fetch()) open.push_back(&input);
    while (!open.empty()) {
        const auto first = std::min_element(open.begin(), open.end(), [](const Input* a, const Input* b) {
            return a->timestamp() < b->timestamp();
        });
        (*first)->deliver();
        if (!(*first)->fetch()) open.erase(first);
    }
}

}  // namespace latchkey
