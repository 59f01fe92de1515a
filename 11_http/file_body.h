// A body that the kernel takes from the file itself: it is never in our memory. sendfile(2)
#pragma once

#include <sys/sendfile.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "07_reactor/pending_output.h"
#include "11_http/files.h"
#include "wrap/descriptor.h"

class FileBody {
public:
    enum class Sent : std::uint8_t { all, stopped_at_bound, no_room, lost };

    // `count` bytes of the file from `first` on, as it is at `version`.
    FileBody(Descriptor file, FileVersion version, std::uint64_t first, std::uint64_t count)
        : file_(std::move(file)), version_(version), offset_(static_cast<off_t>(first)), left_(count) {}

    // What is still to be sent.
    [[nodiscard]] std::uint64_t left() const { return left_; }

    // Sends some to `socket`, up to a bound, for others wait too. Lost: the peer is gone, or the file is not any more
    // what the head has promised. Its end must then be the connection's, or the peer would take what follows for the
    // missing bytes. [sendfile]
    Sent send(int socket) {
        struct stat status {};
        if (fstat(file_.get(), &status) == -1 || FileVersion(status) != version_)
            return Sent::lost;
        for (std::uint64_t bound = turn_bound; left_ > 0 && bound > 0;) {
            const ssize_t sent = sendfile(socket, file_.get(), &offset_, std::min(left_, bound));
            if (sent == -1 && would_block())
                return Sent::no_room;
            if (sent <= 0)
                return Sent::lost;
            left_ -= static_cast<std::uint64_t>(sent);
            bound -= static_cast<std::uint64_t>(sent);
        }
        return left_ == 0 ? Sent::all : Sent::stopped_at_bound;
    }

private:
    static constexpr std::uint64_t turn_bound = 524'288;

    Descriptor file_;
    FileVersion version_;
    off_t offset_;
    std::uint64_t left_;
};
