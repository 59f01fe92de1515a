// Dates as HTTP writes them: "Sun, 06 Nov 1994 08:49:37 GMT". RFC 9110 §5.6.7
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "11_http/grammar.h"

namespace http_date {

constexpr std::array<std::string_view, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Takes `text` off the front of `rest`. False when that does not begin so.
inline bool take(std::string_view &rest, std::string_view text) {
    if (!rest.starts_with(text))
        return false;
    rest.remove_prefix(text.size());
    return true;
}

// Takes a number of just so many digits off the front of `rest`; -1 when there is none. asctime pads with a blank.
inline int take_number(std::string_view &rest, std::size_t digits, bool padded = false) {
    std::string_view word = rest.substr(0, digits);
    if (padded && word.starts_with(' '))
        word.remove_prefix(1);
    const auto number = word.empty() ? std::nullopt : parse_digits(word);
    if (!number || rest.size() < digits)
        return -1;
    rest.remove_prefix(digits);
    return static_cast<int>(*number);
}

inline int take_month(std::string_view &rest) {
    for (std::size_t month = 0; month < months.size(); ++month) {
        if (take(rest, months[month]))
            return static_cast<int>(month);
    }
    return -1;
}

inline bool take_time(std::string_view &rest, std::tm &time) {
    time.tm_hour = take_number(rest, 2);
    const bool minutes = take(rest, ":");
    time.tm_min = take_number(rest, 2);
    const bool seconds = take(rest, ":");
    time.tm_sec = take_number(rest, 2);
    return minutes && seconds && time.tm_hour >= 0 && time.tm_hour < 24 && time.tm_min >= 0 &&
           time.tm_min < 60 && time.tm_sec >= 0 && time.tm_sec <= 60;
}

// "06 Nov 1994 08:49:37 GMT", or with `separator` '-' and a year of two digits, which means the nearest such year.
inline bool take_day_and_time(std::string_view &rest, std::tm &time, std::string_view separator) {
    time.tm_mday = take_number(rest, 2);
    const bool first = take(rest, separator);
    time.tm_mon = take_month(rest);
    const bool second = take(rest, separator);
    if (separator == "-") {
        const int year = take_number(rest, 2);
        time.tm_year = year < 0 ? -1 : year < 70 ? year + 100 : year;
    } else {
        time.tm_year = take_number(rest, 4) - 1900;
    }
    return first && second && take(rest, " ") && take_time(rest, time) && rest == " GMT";
}

// "Nov  6 08:49:37 1994", as asctime(3) has it.
inline bool take_asctime(std::string_view &rest, std::tm &time) {
    time.tm_mon = take_month(rest);
    const bool day = take(rest, " ");
    time.tm_mday = take_number(rest, 2, true);
    const bool clock = take(rest, " ") && take_time(rest, time) && take(rest, " ");
    time.tm_year = take_number(rest, 4) - 1900;
    return day && clock && rest.empty();
}

}  // namespace http_date

// `time` as HTTP writes it, in 29 characters. Does not ask for the locale, as strftime(3) would.
inline std::string to_http_date(std::time_t time) {
    std::tm utc{};
    gmtime_r(&time, &utc);
    std::array<char, 48> text{};
    const int size =
        std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                      http_date::days[utc.tm_wday].data(), utc.tm_mday, http_date::months[utc.tm_mon].data(),
                      utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
    return {text.data(), static_cast<std::size_t>(size)};
}

// The moment that `text` names, in the form of today or in one of the two old ones; empty when it is no date, which a
// condition then has to pass over. RFC 9110 §5.6.7, §13.1.3
inline std::optional<std::time_t> parse_http_date(std::string_view text) {
    using namespace http_date;
    const std::size_t comma = text.find(',');
    std::string_view rest = comma == std::string_view::npos ? text : text.substr(comma + 1);
    std::tm time{};
    bool right = false;
    if (comma == 3)
        right = take(rest, " ") && take_day_and_time(rest, time, " ");
    else if (comma != std::string_view::npos)  // "Sunday, 06-Nov-94 08:49:37 GMT", RFC 850
        right = comma >= 6 && comma <= 9 && take(rest, " ") && take_day_and_time(rest, time, "-");
    else if (rest.size() > 4)
        right = rest[3] == ' ' && (rest.remove_prefix(4), take_asctime(rest, time));
    if (!right || time.tm_mon < 0 || time.tm_mday < 1 || time.tm_mday > 31 || time.tm_year < 0)
        return std::nullopt;
    return timegm(&time);
}

// The Date field's value, written anew once a second. [date]
class DateClock {
public:
    const std::string &now() {
        const std::time_t time = std::time(nullptr);
        if (time != time_ || text_.empty()) {
            time_ = time;
            text_ = to_http_date(time);
        }
        return text_;
    }

private:
    std::time_t time_ = 0;
    std::string text_;
};
