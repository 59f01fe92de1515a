// What a connection owes its peer and the kernel does not take yet. Needs no loop.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string>

inline bool would_block() {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

class PendingOutput {
public:
    // Writes `bytes` to `descriptor`, behind what is pending, and keeps what the kernel does not take now.
    // False, with errno, when the peer is gone. write(2) [answer]
    bool send(int descriptor, std::span<const char> bytes) {
        if (bytes_.empty() && !bytes.empty()) {
            const ssize_t sent = write(descriptor, bytes.data(), bytes.size());
            if (sent == -1 && !would_block())
                return false;
            bytes = bytes.subspan(std::max<ssize_t>(sent, 0));
        }
        bytes_.append(bytes.begin(), bytes.end());
        return true;
    }

    // Writes once of what is pending. How many bytes went, 0 when the kernel takes none; -1, with errno, when the
    // peer is gone.
    ssize_t flush(int descriptor) {
        const ssize_t sent = write(descriptor, bytes_.data(), bytes_.size());
        if (sent == -1)
            return would_block() ? 0 : -1;
        bytes_.erase(0, sent);
        if (bytes_.empty())
            bytes_.shrink_to_fit();
        return sent;
    }

    void clear() { bytes_ = {}; }
    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }

private:
    std::string bytes_;  // [pending]
};
