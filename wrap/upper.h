// The one service that every chapter offers: ASCII upper case.
#pragma once

#include <span>

// a-z become A-Z, in place; every other byte stays as it is. Not toupper(3): that one depends on the locale
// and is undefined for a negative char.
inline void upper_case(std::span<char> text) noexcept {
    for (char &c : text) {
        if (c >= 'a' && c <= 'z')
            c = static_cast<char>(c - 'a' + 'A');
    }
}
