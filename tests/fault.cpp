// A library to preload: fork and pthread_create fail with EAGAIN while the file that FAULT_SWITCH names exists,
// and each failure adds a byte to it. RLIMIT_NPROC would do, were it not that it does not bind root. ld.so(8)
// recvfrom fails with ECONNREFUSED, and has filled the buffer, while the file that FAULT_RECVFROM names exists.

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace {

// Leaves its mark in the switch that `variable` names; false when there is none.
bool switched_on(const char *variable = "FAULT_SWITCH") {
    const char *path = std::getenv(variable);
    const int file = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (file == -1)
        return false;
    [[maybe_unused]] const ssize_t marked = write(file, "x", 1);
    close(file);
    return true;
}

template <typename Function>
Function *next(const char *name) {
    return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" pid_t fork() {
    if (switched_on()) {
        errno = EAGAIN;
        return -1;
    }
    return next<pid_t()>("fork")();
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's begin with underscores
extern "C" int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                              void *argument) {
    if (switched_on())
        return EAGAIN;
    return next<decltype(pthread_create)>("pthread_create")(thread, attributes, start, argument);
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
extern "C" ssize_t recvfrom(int socket, void *buffer, size_t size, int flags, sockaddr *peer,
                            socklen_t *length) {
    const ssize_t received = next<decltype(recvfrom)>("recvfrom")(socket, buffer, size, flags, peer, length);
    if (received == -1 || !switched_on("FAULT_RECVFROM"))
        return received;
    errno = ECONNREFUSED;
    return -1;
}
