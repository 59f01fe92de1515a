// Small files, kept in memory and looked at again when a second has passed. The server works without it.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>

#include "11_http/files.h"

struct CachedFile {
    FileFacts facts;
    std::string content;
    std::chrono::steady_clock::time_point checked;
};

class FileCache {
public:
    static constexpr std::uint64_t file_limit = 65536;  // larger files are sent by sendfile
    static constexpr std::uint64_t total_limit = 16'777'216;  // when it is full, it begins anew
    static constexpr std::chrono::seconds fresh{1};

    using Time = std::chrono::steady_clock::time_point;

    // What is kept under `path`, if it has been looked at within a second; else null: open it, and store() it. [fresh]
    const CachedFile *find(const std::string &path, Time now) {
        const auto found = files_.find(path);
        return found != files_.end() && now - found->second.checked < fresh ? &found->second : nullptr;
    }

    // Keeps the content of `file`, read anew if it has changed. Null when it is too large, or cannot be read whole.
    const CachedFile *store(const std::string &path, const OpenFile &file, Time now) {
        const auto found = files_.find(path);
        if (found != files_.end() && FileVersion(file.status) == found->second.facts.version) {
            found->second.checked = now;
            return &found->second;
        }
        if (found != files_.end())
            forget(found);
        CachedFile entry{.facts = facts_of(file.status, path), .content = {}, .checked = now};
        if (entry.facts.version.size > file_limit || !read_whole(file, entry))
            return nullptr;
        const std::uint64_t cost = entry.content.size() + 512;  // the entry itself, about
        if (total_ + cost > total_limit) {
            files_.clear();
            total_ = 0;
        }
        total_ += cost;
        return &files_.insert_or_assign(path, std::move(entry)).first->second;
    }

private:
    using Files = std::unordered_map<std::string, CachedFile>;

    void forget(Files::iterator found) {
        total_ -= found->second.content.size() + 512;
        files_.erase(found);
    }

    // False when it changes while it is read.
    static bool read_whole(const OpenFile &file, CachedFile &entry) {
        entry.content.resize(entry.facts.version.size + 1);
        const ssize_t count = pread(file.descriptor.get(), entry.content.data(), entry.content.size(), 0);
        entry.content.resize(entry.facts.version.size);
        struct stat status {};
        return count == static_cast<ssize_t>(entry.facts.version.size) &&
               fstat(file.descriptor.get(), &status) == 0 && FileVersion(status) == entry.facts.version;
    }

    Files files_;
    std::uint64_t total_ = 0;  // bytes
};
