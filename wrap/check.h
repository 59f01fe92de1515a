// Set-up errors become exceptions that name the call; main prints them as its one line and exits 1.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

// Throws std::system_error for errno; its what() reads "CALL: REASON". errno(3)
[[noreturn]] inline void throw_errno(const std::string &call) {
    throw std::system_error(errno, std::generic_category(), call);
}

// Passes on what a system call returned, unless that is -1: then throw_errno(call). [check]
template <typename Result>
Result check(Result result, const std::string &call) {
    if (result == -1)
        throw_errno(call);
    return result;
}
