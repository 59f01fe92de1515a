// Chunks: the same body whole and cut in two, never longer than what it came in, and what we write we read.

#include "11_http/chunked.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char *>(data), size);
    const std::size_t cut = take_choice(input, 255) % (input.size() + 1);
    Exact whole(input);
    ChunkDecoder decoder;
    const auto once = decoder.decode(whole.span());
    promise(once.consumed <= input.size() && once.data <= once.consumed, "no more comes out than goes in");
    promise(once.consumed == input.size() || decoder.done() || decoder.bad(), "it stops at an end only");

    Exact first(input.substr(0, cut));
    Exact second(input.substr(cut));
    ChunkDecoder in_two;
    const auto before = in_two.decode(first.span());
    std::string body(first.view().substr(0, before.data));
    const auto after = in_two.decode(second.span());
    body += second.view().substr(0, after.data);
    promise(in_two.done() == decoder.done() && in_two.bad() == decoder.bad(), "the cut changes no verdict");
    promise(body == whole.view().substr(0, once.data), "the cut changes no byte");

    std::string written;
    append_chunk(written, body);
    written += last_chunk;
    ChunkDecoder reader;
    const auto read = reader.decode(written);
    promise(reader.done() && std::string_view(written).substr(0, read.data) == body, "what is written is read");
    return 0;
}
