// GET and HEAD of what lies below the root: a file, a directory's index.html, or a list of what is in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "11_http/answer.h"
#include "11_http/conditional.h"
#include "11_http/file_body.h"
#include "11_http/listing.h"
#include "11_http/path.h"
#include "11_http/site.h"

// Writes the head for a file. Returns the part of it that must follow; of none, nothing follows. [file-head]
inline Range answer_file_head(const Request &request, Answer &answer, const FileFacts &file) {
    const int status = evaluate_conditions(request, file.validators());
    const Range range = wanted_range(request, file.validators(), file.version.size);
    if (status == 412) {
        answer.refuse({412, "the file is not the one that was meant"});
        return {};
    }
    if (status == 200 && range.kind == Range::Kind::unsatisfiable) {
        answer.refuse({416, "the range begins behind the end"},
                      [&] { answer.field("Content-Range", "bytes */" + std::to_string(file.version.size)); });
        return {};
    }
    const bool part = range.kind == Range::Kind::part;
    answer.begin(status == 304 ? 304 : part ? 206 : 200);
    if (status == 200) {
        answer.field("Content-Type", file.type);
        answer.length(range.count);
        answer.field("Accept-Ranges", "bytes");
    }
    if (status == 200 && part)
        answer.field("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                          std::to_string(range.first + range.count - 1) + "/" +
                                          std::to_string(file.version.size));
    answer.field("Last-Modified", file.last_modified);
    answer.field("ETag", file.etag);
    answer.end();
    return status == 304 || answer.head_only() ? Range{} : range;
}

// Answers with an open file: a small one is kept in the cache and copied, of a large one what must follow is returned.
inline std::unique_ptr<FileBody> answer_open_file(Site &site, const Request &request, Answer &answer,
                                                  const std::string &path, OpenFile &file, Time now) {
    if (const CachedFile *cached = site.cache.store(path, file, now)) {
        const Range range = answer_file_head(request, answer, cached->facts);
        answer.body(std::string_view(cached->content).substr(range.first, range.count));
        return nullptr;
    }
    const FileFacts facts = facts_of(file.status, path);
    const Range range = answer_file_head(request, answer, facts);
    if (range.count == 0)
        return nullptr;
    return std::make_unique<FileBody>(std::move(file.descriptor), facts.version, range.first, range.count);
}

// Sends to the same path with a slash behind it: relative links in the page would lead elsewhere without it.
inline void redirect_to_directory(const Request &request, Answer &answer, const std::string &path) {
    const std::size_t query = request.target.find('?');
    std::string location = "/" + encode_path(path) + "/";
    if (query != std::string_view::npos)
        location += request.target.substr(query);
    answer.refuse({301, "a directory's path ends in a slash"}, [&] { answer.field("Location", location); });
}

inline void answer_directory(Site &site, Answer &answer, const std::string &path) {
    const OpenFile directory = site.root.open(path);
    if (directory.error != 0 || !directory.is_directory())
        return answer.refuse(refusal_of(directory.error));
    answer.whole(200, "text/html; charset=utf-8", listing_page(path, directory.descriptor),
                 [&] { answer.field("Cache-Control", "no-cache"); });
}

// Answers GET or HEAD. Returns what must follow the head, if that is not written already. [static]
inline std::unique_ptr<FileBody> answer_path(Site &site, const Request &request, Answer &answer, Time now) {
    const ResolvedPath resolved = resolve_path(request.target);
    if (resolved.refusal) {
        answer.refuse(*resolved.refusal);
        return nullptr;
    }
    std::string path = resolved.path;
    if (resolved.directory)
        path += path.empty() ? "index.html" : "/index.html";
    if (const CachedFile *cached = site.cache.find(path, now)) {
        const Range range = answer_file_head(request, answer, cached->facts);
        answer.body(std::string_view(cached->content).substr(range.first, range.count));
        return nullptr;
    }
    OpenFile file = site.root.open(path);
    if (file.error == ENOENT && resolved.directory)
        answer_directory(site, answer, resolved.path);
    else if (file.error != 0)
        answer.refuse(refusal_of(file.error));
    else if (file.is_directory() && !resolved.directory)
        redirect_to_directory(request, answer, path);
    else if (!file.is_regular())
        answer.refuse({403, "this is no regular file"});
    else
        return answer_open_file(site, request, answer, path, file, now);
    return nullptr;
}
