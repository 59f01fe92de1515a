// Paths: whatever is asked for, what comes out stays below the root.

#include "11_http/path.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const Exact target(std::string_view(reinterpret_cast<const char *>(data), size));
    const ResolvedPath resolved = resolve_path(target.view());
    if (resolved.refusal)
        return 0;
    std::string_view rest = resolved.path;
    promise(rest.find('\0') == std::string_view::npos, "no NUL");
    promise(!rest.starts_with('/') && !rest.ends_with('/'), "relative");
    while (!rest.empty())
        promise(take_until(rest, '/').find_first_not_of('.') == 0,
                "no segment that is empty or begins with a dot");
    const ResolvedPath again = resolve_path("/" + encode_path(resolved.path));
    promise(!again.refusal && again.path == resolved.path, "what is encoded is decoded");
    return 0;
}
