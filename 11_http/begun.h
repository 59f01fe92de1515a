// What a stop does to requests that have begun: they are answered, but not waited for without end.
#pragma once

#include <memory>
#include <vector>

#include "07_reactor/connection.h"
#include "07_reactor/event_loop.h"
#include "11_http/site.h"

class BegunRequests {
public:
    // From a stop on, who is in the middle of sending a request has `patience` for the rest of it.
    BegunRequests(EventLoop &loop, Site &site, Duration patience)
        : loop_(loop), site_(site), patience_(patience) {}

    // For StreamServer::on_stop(). The connection takes one more look at what has come, answers, and ends. [stop]
    void stop(Connection &connection) {
        site_.stopping = true;
        connection.await_room(true);
        if (connections_.empty())
            late_.set(loop_.now() + patience_);
        connections_.push_back(connection.weak_from_this());
    }

private:
    // Who still sends gets what he is owed, then the end of file, and is read on until he notices. Who is sent a file
    // is not waited for by us, but waits himself: he has all of the grace.
    void on_late() {
        for (const auto &weak : connections_) {
            const auto connection = weak.lock();
            if (connection && !connection->is_paused())
                connection->finish();
        }
    }

    EventLoop &loop_;
    Site &site_;
    Duration patience_;
    std::vector<std::weak_ptr<Connection>> connections_;
    Timer late_{loop_.timers(), [this] { on_late(); }};
};
