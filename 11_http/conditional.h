// Conditions: "only if it has changed", "only if it has not". RFC 9110 §13
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "11_http/date.h"
#include "11_http/fields.h"
#include "11_http/range.h"
#include "11_http/request.h"

// What a file is known by: a change of it changes one of these.
struct Validators {
    std::string_view etag;  // quoted, strong
    std::time_t modified = 0;
};

// Whether the field's list holds `etag`, or is "*". A weak tag (W/"…") equals a strong one only where `weak` comparing
// is meant. A tag may hold a comma: RFC 9110 §8.8.3. [etag]
inline bool lists_etag(const Fields &fields, std::string_view name, std::string_view etag, bool weak) {
    for (const Field &field : fields) {
        if (!same_word(field.name, name))
            continue;
        std::string_view rest = field.value;
        if (rest == "*")
            return true;
        while (!rest.empty()) {
            const bool is_weak = rest.starts_with("W/");
            const std::size_t begin = is_weak ? 2 : 0;
            const std::size_t end =
                begin < rest.size() && rest[begin] == '"' ? rest.find('"', begin + 1) : std::string_view::npos;
            if (end == std::string_view::npos) {  // no tag: a comma, a blank, or nonsense that is passed over
                rest.remove_prefix(1);
                continue;
            }
            if (rest.substr(begin, end + 1 - begin) == etag && (weak || !is_weak))
                return true;
            rest.remove_prefix(end + 1);
        }
    }
    return false;
}

// The moment that the first field of that name names, if there is one.
inline std::optional<std::time_t> find_date(const Fields &fields, std::string_view name) {
    const auto value = fields.find(name);
    return value ? parse_http_date(*value) : std::nullopt;
}

// What GET or HEAD of that file is answered with: 200, 304 (not modified) or 412 (precondition failed). The order is
// RFC 9110 §13.2.2's; a tag wins over a date, which knows whole seconds only. [conditions]
inline int evaluate_conditions(const Request &request, const Validators &file) {
    const Fields &fields = request.fields;
    if (fields.find("If-Match")) {
        if (!lists_etag(fields, "If-Match", file.etag, false))
            return 412;
    } else if (const auto since = find_date(fields, "If-Unmodified-Since"); since && file.modified > *since) {
        return 412;
    }
    if (fields.find("If-None-Match"))
        return lists_etag(fields, "If-None-Match", file.etag, true) ? 304 : 200;
    const auto since = find_date(fields, "If-Modified-Since");
    return since && file.modified <= *since ? 304 : 200;
}

// Whether the file is still what If-Range names, a strong tag or a date. A date tells two changes within a second not
// apart, so one that is not over yet is not good enough: RFC 9110 §8.8.2.2.
inline bool is_same_version(std::string_view condition, const Validators &file) {
    if (condition.starts_with('"'))
        return condition == file.etag;
    return parse_http_date(condition) == file.modified && file.modified < std::time(nullptr);
}

// What of the file is to be sent. If-Range: the range only if the file is still the same, else the whole, so that the
// parts of two versions are never joined. RFC 9110 §13.1.5 [if-range]
inline Range wanted_range(const Request &request, const Validators &file, std::uint64_t size) {
    const Range whole{.kind = Range::Kind::whole, .first = 0, .count = size};
    const auto range = request.fields.find("Range");
    if (!range || request.method != Method::get)
        return whole;
    const auto condition = request.fields.find("If-Range");
    if (condition && !is_same_version(*condition, file))
        return whole;
    return parse_range(*range, size);
}
