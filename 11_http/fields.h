// The field lines of a head, as they were sent: "Name: value". RFC 9112 §5
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "11_http/grammar.h"

struct Field {
    std::string_view name, value;
};

// Up to a hundred fields, in their order. They point into the head that they were read from.
class Fields {
public:
    static constexpr std::size_t limit = 100;

    // False when there are too many.
    bool add(Field field) {
        if (size_ == limit)
            return false;
        fields_[size_++] = field;
        return true;
    }

    [[nodiscard]] const Field *begin() const { return fields_.data(); }
    [[nodiscard]] const Field *end() const { return fields_.data() + size_; }
    void clear() { size_ = 0; }

    // The value of the first field of that name; empty when there is none.
    [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const {
        for (const Field &field : *this) {
            if (same_word(field.name, name))
                return field.value;
        }
        return std::nullopt;
    }

    // Calls `visit` with each element of the lists that the fields of that name hold, lines and commas alike.
    template <typename Visit>
    void each_element(std::string_view name, Visit visit) const {
        for (const Field &field : *this) {
            std::string_view list = field.value;
            std::string_view element;
            while (same_word(field.name, name) && take_element(list, element))
                visit(element);
        }
    }

private:
    std::array<Field, limit> fields_;  // the first size_ of them; what is behind is never read
    std::size_t size_ = 0;
};

// Reads one field line, without its CRLF. A blank before the colon, a folded line (one that begins with a blank),
// a bare CR, a NUL: others may read them otherwise than we do, so nobody gets to. [field-line]
inline std::optional<Refusal> parse_field(std::string_view line, Field &field) {
    if (line.front() == ' ' || line.front() == '\t')
        return Refusal{400, "a folded field line"};  // RFC 9112 §5.2 [obs-fold]
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos)
        return Refusal{400, "a field line without a colon"};
    field = {.name = line.substr(0, colon), .value = trimmed(line.substr(colon + 1))};
    if (!is_token(field.name))
        return Refusal{400, "a field name that is no token"};  // a blank before the colon too, RFC 9112 §5.1
    if (!consists_of(field.value, grammar::value))
        return Refusal{400, "a control character in a field value"};
    return std::nullopt;
}
