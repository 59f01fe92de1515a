// The head of a request: the same verdict whole and cut in two, and nothing in it that another would read otherwise.

#include "11_http/parser.h"

#include "fuzz.h"

namespace {

void look_at(std::string_view head, const Parsed &parsed, const Request &request) {
    promise(parsed.size <= head.size(), "the head ends within the input");
    promise(head.substr(0, parsed.size).ends_with("\r\n\r\n"), "the head ends in an empty line");
    promise(request.target.starts_with('/') || request.target == "*", "the target is a path or an asterisk");
    promise(consists_of(request.target, grammar::target), "the target is visible ASCII");
    for (const Field &field : request.fields) {
        promise(is_token(field.name), "a name is a token");
        promise(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos,
                "a value is one line");
    }
    const bool length = request.fields.find("Content-Length").has_value();
    const bool coding = request.fields.find("Transfer-Encoding").has_value();
    promise(!(length && coding), "no two framings");
    promise((request.framing == Framing::none) == !(length || coding), "a framing that is named is used");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char *>(data), size);
    const std::size_t cut = take_choice(input, 255) % (input.size() + 1);
    const Exact whole(input);
    HeadProgress progress;
    Request request;
    const Parsed parsed = parse_request(progress, whole.view(), request);
    if (parsed.state == Parsed::State::complete)
        look_at(whole.view(), parsed, request);

    const Exact first(input.substr(0, cut));
    HeadProgress in_two;
    Request other;
    Parsed again = parse_request(in_two, first.view(), other);
    if (again.state == Parsed::State::incomplete)
        again = parse_request(in_two, whole.view(), other);
    promise(again.state == parsed.state && again.size == parsed.size, "the cut changes nothing");
    promise(again.refusal.status == parsed.refusal.status, "the cut changes no status");
    return 0;
}
