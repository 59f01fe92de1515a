// A directory without an index.html, as a page with a link for each name.
#pragma once

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "11_http/path.h"
#include "wrap/descriptor.h"

constexpr std::size_t listing_limit = 1000;  // names that are shown

// `text` so that a browser shows it and does nothing else with it: a file's name may be a script. [escape]
inline std::string escape_html(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '&')
            escaped += "&amp;";
        else if (c == '<')
            escaped += "&lt;";
        else if (c == '>')
            escaped += "&gt;";
        else if (c == '"')
            escaped += "&quot;";
        else
            escaped += c;
    }
    return escaped;
}

// The names in `directory`, those of directories with a slash, in order; none that begins with a dot.
inline std::vector<std::string> names_in(const Descriptor &directory) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR *)> entries(fdopendir(dup(directory.get())), closedir);
    while (const dirent *entry = entries ? readdir(entries.get()) : nullptr) {
        if (entry->d_name[0] != '.')
            names.emplace_back(std::string(entry->d_name) + (entry->d_type == DT_DIR ? "/" : ""));
    }
    std::ranges::sort(names);
    return names;
}

// The page for the directory of that path, which is "" for the root: above that there is nothing to link to.
inline std::string listing_page(const std::string &path, const Descriptor &directory) {
    const std::string title = escape_html("/" + path + (path.empty() ? "" : "/"));
    std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>" + title +
                       "</title>\n<h1>" + title + "</h1>\n<ul>\n";
    if (!path.empty())
        page += "<li><a href=\"../\">../</a>\n";
    const std::vector<std::string> names = names_in(directory);
    for (const std::string &name : std::span(names).first(std::min(names.size(), listing_limit)))
        page += "<li><a href=\"./" + encode_path(name) + "\">" + escape_html(name) + "</a>\n";
    page += "</ul>\n";
    if (names.size() > listing_limit)
        page += "<p>and " + std::to_string(names.size() - listing_limit) + " more\n";
    return page + "</html>\n";
}
