// The body of a request, as it comes in. RFC 9112 §6
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "11_http/chunked.h"
#include "11_http/request.h"

// Finds the body's bytes, and its end.
class BodyReader {
public:
    explicit BodyReader(const Request &request)
        : framing_(request.framing), length_(request.content_length), left_(request.content_length) {}

    // Takes what belongs to the body off the front of `piece`: the body's own bytes then stand at its front.
    ChunkDecoder::Decoded read(std::span<char> piece) {
        if (framing_ == Framing::chunked)
            return count(decoder_.decode(piece));
        const std::size_t size = std::min<std::uint64_t>(left_, piece.size());
        left_ -= size;
        return count({size, size});
    }

    [[nodiscard]] bool done() const { return framing_ == Framing::chunked ? decoder_.done() : left_ == 0; }
    [[nodiscard]] bool bad() const { return decoder_.bad(); }
    [[nodiscard]] const char *reason() const { return decoder_.reason(); }
    [[nodiscard]] bool chunked() const { return framing_ == Framing::chunked; }
    // Bytes that were announced; 0 when they are chunked.
    [[nodiscard]] std::uint64_t length() const { return length_; }
    // Bytes that have come, of the body itself.
    [[nodiscard]] std::uint64_t received() const { return received_; }

private:
    ChunkDecoder::Decoded count(ChunkDecoder::Decoded decoded) {
        received_ += decoded.data;
        return decoded;
    }

    Framing framing_;
    std::uint64_t length_;
    std::uint64_t left_;
    std::uint64_t received_ = 0;
    ChunkDecoder decoder_;
};
