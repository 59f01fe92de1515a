// Stream sockets on a path: the file that bind makes, who may have it, and who is at the other end.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>

#include "10_unix_socket/unix_address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"

// A file that this process has made, and removes: unless another has come into its place meanwhile.
class OwnFile {
public:
    OwnFile() = default;

    // `made` is what stat said of it. Whoever holds it open, or has a socket bound to it, keeps its number from
    // being given to another file.
    OwnFile(std::string path, const struct stat &made) : path_(std::move(path)), made_(made) {}

    OwnFile(OwnFile &&other) noexcept : path_(std::exchange(other.path_, {})), made_(other.made_) {}
    OwnFile &operator=(OwnFile &&other) noexcept {
        std::swap(path_, other.path_);
        std::swap(made_, other.made_);
        return *this;
    }
    OwnFile(const OwnFile &) = delete;
    OwnFile &operator=(const OwnFile &) = delete;

    ~OwnFile() { remove(); }

    // Whether the file at the path is the one that was made.
    [[nodiscard]] bool is_there() const noexcept {
        struct stat there = {};
        return lstat(path_.c_str(), &there) == 0 && there.st_dev == made_.st_dev &&
               there.st_ino == made_.st_ino;
    }

    // [still-ours]
    void remove() noexcept {
        if (!path_.empty() && is_there())
            unlink(path_.c_str());
    }

private:
    std::string path_;
    struct stat made_ = {};
};

// A socket that queues clients, and the files that go with it: none when its name is abstract. The first named is
// destroyed last: another server may begin when the lock is free, and finds nothing of this one.
struct Listener {
    Descriptor lock;
    OwnFile lock_file;
    Descriptor socket;
    OwnFile socket_file;

    void remove_files() noexcept {
        socket_file.remove();
        lock_file.remove();
    }
};

// Opens the file `name` and locks it, until that descriptor is closed, however this process ends. Throws when another
// has it. `made` is what stat says of it. flock(2)
inline Descriptor locked(const std::string &name, struct stat &made, const std::string &failure) {
    const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    Descriptor lock(check(open(name.c_str(), flags, 0600), failure + "open " + name));
    const int taken = flock(lock.get(), LOCK_EX | LOCK_NB);
    if (taken == -1 && errno == EWOULDBLOCK)
        throw std::runtime_error(failure + "another server has it, and " + name);
    check(taken, failure + "flock");
    check(fstat(lock.get(), &made), failure + "fstat");
    if (!S_ISREG(made.st_mode) || made.st_size != 0)
        throw std::runtime_error(failure + name + " is no lock: it is not empty");
    return lock;
}

// Takes the lock beside `path`. Whoever has it may look at the path and change it; nobody else does. [lock]
inline void take_lock(Listener &listener, const std::string &path, const std::string &failure) {
    const std::string name = path + ".lock";
    for (;;) {
        struct stat made = {};
        listener.lock = locked(name, made, failure);
        OwnFile file(name, made);
        if (file.is_there()) {  // or else its last owner has removed it since we opened it
            listener.lock_file = std::move(file);
            return;
        }
    }
}

// Removes a socket at the address that nobody listens on any more, and nothing else. Throws when there is
// something else.
inline void remove_leftover(const UnixAddress &address, const std::string &failure) {
    const std::string path = path_of(address);
    struct stat there = {};
    if (lstat(path.c_str(), &there) == -1)
        return;  // nothing is there, or bind will say what is wrong
    if (!S_ISSOCK(there.st_mode))  // [take-over]
        throw std::runtime_error(failure + "what is there is no socket");
    const Descriptor probe(check(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), failure + "socket"));
    if (connect(probe.get(), &address.any, address.size) == 0 || errno == EAGAIN)  // EAGAIN: its queue is full
        throw std::runtime_error(failure + "another server has it");
    if (errno != ECONNREFUSED)
        throw_errno(failure + "connect");
    check(unlink(path.c_str()), failure + "unlink");
}

// Binds `socket`; the file that this makes is the caller's to remove. bind gives it the mode 0777, less the umask.
// That belongs to all threads: call this before there is a second one. umask(2), unix(7)
inline OwnFile bind_to(const Descriptor &socket, const UnixAddress &address, mode_t mode,
                       const std::string &failure) {
    const mode_t before = umask(0777 & ~mode);  // [mode]
    const int bound = bind(socket.get(), &address.any, address.size);
    umask(before);
    check(bound, failure + "bind");
    const std::string path = path_of(address);
    struct stat made = {};
    if (!path.empty())
        check(lstat(path.c_str(), &made), failure + "lstat");
    return {path, made};
}

// A socket that queues clients for `address`; a file of its has `mode`. Throws, "cannot listen on ADDRESS: …".
// listen(2)
inline Listener listen_on(const UnixAddress &address, mode_t mode) {
    const std::string failure = "cannot listen on " + to_text(address) + ": ";
    Listener listener;
    if (const std::string path = path_of(address); !path.empty()) {
        take_lock(listener, path, failure);
        remove_leftover(address, failure);
    }
    listener.socket = Descriptor(check(socket(AF_UNIX, SOCK_STREAM, 0), failure + "socket"));
    listener.socket_file = bind_to(listener.socket, address, mode, failure);
    check(listen(listener.socket.get(), SOMAXCONN), failure + "listen");
    return listener;
}

// A socket connected to `address`; the caller owns it. It bears the name `own`, unless that is unnamed. The server
// keeps the name; the file has done its work once the connection is there. Throws, "cannot connect to ADDRESS: …".
// connect(2) [own-name]
inline Descriptor connect_to(const UnixAddress &address, const UnixAddress &own) {
    const std::string failure = "cannot connect to " + to_text(address) + ": ";
    Descriptor connection(check(socket(AF_UNIX, SOCK_STREAM, 0), failure + "socket"));
    OwnFile file;
    if (!name_of(own).empty())
        file = bind_to(connection, own, 0600, "cannot be " + to_text(own) + ": ");
    check(connect(connection.get(), &address.any, address.size), failure + "connect");
    return connection;
}

// Who is at the other end, "pid 4711, uid 1000 (clie.socket)": the kernel noted it when that one connected, it can
// claim nothing else. SO_PEERCRED in unix(7), getpeername(2) [credentials]
inline std::string peer_of(const Descriptor &connection) {
    ucred who{};
    socklen_t size = sizeof who;
    getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &who, &size);
    UnixAddress name;
    if (getpeername(connection.get(), &name.any, &name.size) == -1)
        name.size = 0;
    return "pid " + std::to_string(who.pid) + ", uid " + std::to_string(who.uid) + " (" + to_text(name) + ")";
}
