// A library to preload: holds a process right before its unlink or flock, or right after its bind, so that a test may
// look at what others never see, or let somebody else go first.
//
// While the file PAUSE_FOLDER/unlink (flock, bind) exists, such a call makes the file PAUSE_FOLDER/PID and goes on when
// that is gone. ld.so(8)

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

namespace {

template <typename Function>
Function *next(const char *name) {
    return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

// Waits in `call` until it is let go; at once when no test wants to hold it.
void pause_in(const char *call) {
    const char *folder = std::getenv("PAUSE_FOLDER");
    if (!folder || access((std::string(folder) + "/" + call).c_str(), F_OK) == -1)
        return;
    const std::string held = std::string(folder) + "/" + std::to_string(getpid());
    close(open(held.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (access(held.c_str(), F_OK) == 0)
        usleep(1000);
}

}  // namespace

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's begin with underscores
extern "C" int unlink(const char *path) noexcept {
    pause_in("unlink");
    return next<int(const char *)>("unlink")(path);
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
extern "C" int flock(int file, int operation) noexcept {
    pause_in("flock");
    return next<int(int, int)>("flock")(file, operation);
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
extern "C" int bind(int socket, const sockaddr *address, socklen_t size) noexcept {
    const int bound = next<int(int, const sockaddr *, socklen_t)>("bind")(socket, address, size);
    const int error = errno;
    pause_in("bind");
    errno = error;
    return bound;
}
