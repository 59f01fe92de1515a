// What libevent makes, each with an owner that frees it by the function that belongs to it.
#pragma once

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include "wrap/options.h"

template <auto Free>
struct Frees {
    void operator()(auto *object) const noexcept { Free(object); }
};

// The base is freed last: all the others are on it. [frees]
using Base = std::unique_ptr<event_base, Frees<event_base_free>>;
using Bytes = std::unique_ptr<evbuffer, Frees<evbuffer_free>>;
using Config = std::unique_ptr<event_config, Frees<event_config_free>>;
using Event = std::unique_ptr<event, Frees<event_free>>;
using Listener = std::unique_ptr<evconnlistener, Frees<evconnlistener_free>>;
using Stream = std::unique_ptr<bufferevent, Frees<bufferevent_free>>;

// Passes on what `call` has made. Throws when that is nothing; there is no errno to rely on.
template <typename Object>
Object *made(Object *object, const std::string &call) {
    if (!object)
        throw std::runtime_error(call + " has failed");
    return object;
}

// A base with these EVENT_BASE_FLAG_…, whose method has these EV_FEATURE_….
inline Base make_base(int flags, int features) {
    const Config config(made(event_config_new(), "event_config_new"));
    event_config_set_flag(config.get(), flags);
    event_config_require_features(config.get(), features);
    return Base(made(event_base_new_with_config(config.get()), "event_base_new_with_config"));
}

// --methods: says what the library can wait with, and what `base` does, and exits 0. [methods]
inline ExtraOption methods_option(const Base &base) {
    return {.name = "methods",
            .help = "say what libevent can wait with, and what it uses here",
            .take = [&base](const char *) {
                for (const char **method = event_get_supported_methods(); *method; ++method)
                    std::printf("%s%s\n", *method,
                                *method == std::string(event_base_get_method(base.get())) ? " (used)" : "");
                std::exit(0);
                return true;
            }};
}
