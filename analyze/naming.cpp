// SPDX-License-Identifier: Apache-2.0
#include "analyze/naming.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "analyze/signal_class.h"

namespace latchkey {

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

template <std::size_t N>
bool contains_any(std::string_view text, const std::array<std::string_view, N>& words) {
    return std::any_of(words.begin(), words.end(), [&](auto word) { return text.find(word) != text.npos; });
}

template <std::size_t N>
bool ends_with_any(std::string_view text, const std::array<std::string_view, N>& words) {
    return std::any_of(words.begin(), words.end(), [&](auto word) { return text.ends_with(word); });
}

constexpr std::array<std::string_view, 8> kPrimitives{"mutex", "lock",    "cond",  "latch",
                                                      "sem",   "monitor", "event", "futex"};
constexpr std::array<std::string_view, 14> kMethods{"lock",    "unlock",   "wait",  "init",    "create",
                                                    "enter",   "acquire",  "until", "for",     "timedwait",
                                                    "destroy", "operator", "post",  "try_lock"};
constexpr std::array<std::string_view, 12> kSuffixes{
    "mutex_init",     "mutex_lock",  "mutex_enter",   "mutex_create",  "cond_init",     "cond_wait",
    "cond_timedwait", "rwlock_init", "rwlock_rdlock", "rwlock_wrlock", "semaphorelock", "futex_wait"};
constexpr std::array<std::string_view, 4> kLibraries{"libstdc++.so", "libc.so", "liblatchkey",
                                                     "libpthread.so"};

constexpr std::string_view kLibc = "libc.so";

/// "a::B::method" -> class "a::B", method "method".
struct Parts {
    std::string scope, method;
};
Parts split(std::string_view function) {
    const std::size_t colon = function.rfind("::");
    if (colon == function.npos) return {"", lower(function)};
    return {lower(function.substr(0, colon)), lower(function.substr(colon + 2))};
}

}  // namespace

bool is_lock_wrapper(std::string_view function, std::string_view module) {
    if (std::any_of(kLibraries.begin(), kLibraries.end(),
                    [&](auto name) { return module.starts_with(name); }))
        return true;
    if (function.starts_with("std::")) return true;
    const auto [scope, method] = split(function);
    if (scope.empty()) return ends_with_any(method, kSuffixes);
    const std::string_view owner = std::string_view(scope).substr(scope.rfind(':') + 1);
    const bool is_constructor = owner == method;
    return contains_any(owner, kPrimitives) &&
           (is_constructor || ends_with_any(std::string_view(method), kMethods));
}

int depth_of(Places& places, std::uint32_t process, std::uint32_t stack) {
    int depth = 0;
    for (const std::uint32_t frame : places.frames(process, stack)) {
        const Site& site = places.at(frame);
        // Behind the program's frames comes libc's start of the thread.
        if (depth > 0 && site.module.starts_with(kLibc)) return depth;
        depth += !is_lock_wrapper(site.function, site.module);
    }
    return depth == 0 ? 0 : kDeep;
}

ObjectName name_of(Places& places, const Unnamed& object) {
    const auto variable = places.variable(object.process, object.address);
    if (variable && variable->has_symbol) return {variable->name, "symbol"};
    const auto is_wrapper = [&](std::uint32_t site) {
        return site == 0 || is_lock_wrapper(places.at(site).function, places.at(site).module);
    };
    const std::uint32_t init = places.call_site(object.process, object.init_site);
    if (!variable && !is_wrapper(init)) return {places.at(init).name + " (init)", "init"};
    if (variable) return {variable->name, "address"};
    const std::uint32_t use = places.call_site(object.process, object.use_site);
    if (!is_wrapper(use)) return {places.at(use).name, "site"};
    for (const std::uint32_t frame : places.frames(object.stack_process, object.stack))
        if (!is_wrapper(frame)) return {places.at(frame).name, "site"};
    if (init != 0) return {places.at(init).name + " (init)", "init"};
    if (use != 0) return {places.at(use).name, "site"};
    return {"unknown", "address"};
}

}  // namespace latchkey
