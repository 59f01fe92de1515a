// The files below the root, and no others.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>

#include "11_http/conditional.h"
#include "11_http/date.h"
#include "11_http/media_types.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"

// By what a change of a file is seen: the moment of the last one, to the nanosecond, and the size.
struct FileVersion {
    std::uint64_t size = 0;
    timespec changed{};

    explicit FileVersion(const struct stat &status)
        : size(static_cast<std::uint64_t>(status.st_size)), changed(status.st_mtim) {}
    bool operator==(const FileVersion &other) const {
        return size == other.size && changed.tv_sec == other.changed.tv_sec &&
               changed.tv_nsec == other.changed.tv_nsec;
    }
};

// What an answer says of a file.
struct FileFacts {
    FileVersion version;
    std::time_t modified = 0;
    std::string etag = {};
    std::string last_modified = {};
    std::string_view type = {};

    [[nodiscard]] Validators validators() const { return {.etag = etag, .modified = modified}; }
};

// A file or a directory that is open. An empty descriptor: it is not, and `error` says why, an errno.
struct OpenFile {
    Descriptor descriptor;
    struct stat status {};
    int error = 0;

    [[nodiscard]] bool is_directory() const { return S_ISDIR(status.st_mode); }
    [[nodiscard]] bool is_regular() const { return S_ISREG(status.st_mode); }
};

// The tag is made of what the version is made of. Last-Modified is never later than now: RFC 9110 §8.8.2.1. [facts]
inline FileFacts facts_of(const struct stat &status, std::string_view name) {
    FileFacts facts{.version = FileVersion(status),
                    .modified = std::min(status.st_mtim.tv_sec, std::time(nullptr)),
                    .type = media_type(name)};
    std::array<char, 64> etag{};
    const int size = std::snprintf(etag.data(), etag.size(), "\"%lx.%lx-%lx\"", status.st_mtim.tv_sec,
                                   status.st_mtim.tv_nsec, status.st_size);
    facts.etag.assign(etag.data(), size);
    facts.last_modified = to_http_date(facts.modified);
    return facts;
}

class Root {
public:
    // Throws std::system_error, "cannot open DIR: CALL: REASON".
    explicit Root(const std::string &folder)
        : descriptor_(check(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC),
                            "cannot open " + folder + ": open")) {
        if (const OpenFile tried = open(""); tried.error != 0) {
            errno = tried.error;
            throw_errno("cannot open " + folder + ": openat2");
        }
    }

    // Opens `path`, which is relative, for reading. The kernel follows no "..", no link and no mount trick out of the
    // root: it fails with EXDEV. Nor does it wait for who writes to a FIFO. openat2(2) [beneath]
    [[nodiscard]] OpenFile open(const std::string &path) const {
        open_how how{};
        how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
        how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
        const char *name = path.empty() ? "." : path.c_str();
        OpenFile file;
        file.descriptor =
            Descriptor(static_cast<int>(syscall(SYS_openat2, descriptor_.get(), name, &how, sizeof how)));
        if (file.descriptor.get() == -1 || fstat(file.descriptor.get(), &file.status) == -1)
            file.error = errno;
        return file;
    }

private:
    Descriptor descriptor_;
};

// What an error of Root::open means to who asked. A link that leads out is as good as no file.
inline Refusal refusal_of(int error) {
    switch (error) {
        case EACCES:
        case EPERM:
            return {403, "this file may not be read"};
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case EAGAIN:
            return {503, "too much to do just now"};
        default:
            return {404, "no such file"};
    }
}
