// What the fuzz targets share. A target is given any bytes and aborts when a promise of the code does not hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

// Called by libFuzzer with what it makes up, by replay.cpp with what the corpus holds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

inline void promise(bool holds, const char *what) {
    if (holds)
        return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

// A copy in a heap block of its own size: AddressSanitizer sees whoever reads a byte behind it.
class Exact {
public:
    explicit Exact(std::string_view text) : bytes_(new char[text.size()]), size_(text.size()) {
        if (!text.empty())
            std::memcpy(bytes_.get(), text.data(), size_);
    }
    [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }
    std::span<char> span() { return {bytes_.get(), size_}; }

private:
    std::unique_ptr<char[]> bytes_;
    std::size_t size_;
};

// The first byte chooses a number from 0 to `limit`; the rest is the input proper.
inline std::size_t take_choice(std::string_view &input, std::size_t limit) {
    if (input.empty())
        return 0;
    const std::size_t choice = static_cast<unsigned char>(input.front()) % (limit + 1);
    input.remove_prefix(1);
    return choice;
}
