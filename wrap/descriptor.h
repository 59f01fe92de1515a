// A file descriptor with one owner: who holds the object closes it, by leaving the scope.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

class Descriptor {
public:
    Descriptor() = default;

    // Takes over `fd`; nobody else may close it from now on.
    explicit Descriptor(int fd) noexcept : fd_(fd) {}

    // Moving hands the descriptor on and leaves the source empty. There is no copy: two owners would close
    // twice. [one-owner]
    Descriptor(Descriptor &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor &operator=(Descriptor &&other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    Descriptor(const Descriptor &) = delete;
    Descriptor &operator=(const Descriptor &) = delete;

    ~Descriptor() { close(); }

    // The number, for a system call; -1 when empty. The object stays the owner.
    [[nodiscard]] int get() const noexcept { return fd_; }

    // Closes now; harmless when empty. Never retried: on Linux the number is free even after EINTR, close(2).
    void close() noexcept {
        if (fd_ != -1)
            ::close(std::exchange(fd_, -1));
    }

private:
    int fd_ = -1;
};

// Lets this process have as many descriptors as it may: the soft limit becomes the hard one, which is returned.
// setrlimit(2)
inline unsigned long raise_descriptor_limit() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max;
}
