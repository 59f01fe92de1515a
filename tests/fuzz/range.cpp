// Ranges and dates: a part lies within the file, and a date that is read is written so that it is read again.

#include "11_http/range.h"

#include "11_http/conditional.h"
#include "11_http/date.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char *>(data), size);
    const std::size_t file_size = take_choice(input, 255);
    const Exact value(input);
    const Range range = parse_range(value.view(), file_size);
    if (range.kind == Range::Kind::part)
        promise(range.count > 0 && range.first < file_size && range.count <= file_size - range.first,
                "within the file");
    if (range.kind == Range::Kind::whole)
        promise(range.first == 0 && range.count == file_size, "the whole is the whole");
    if (const auto time = parse_http_date(value.view()))
        promise(parse_http_date(to_http_date(*time)) == time, "a date is read as it is written");
    Fields fields;
    fields.add({.name = "If-None-Match", .value = value.view()});
    if (lists_etag(fields, "If-None-Match", "\"a,b\"", false))
        promise(value.view() == "*" || value.view().find("\"a,b\"") != std::string_view::npos,
                "a tag that matches is there");
    return 0;
}
