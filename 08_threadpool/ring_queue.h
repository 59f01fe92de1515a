// A queue with room for a fixed number of elements: an array, and two places in it that go round.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

// First in, first out. It never grows and takes no lock: who shares it holds one.
template <typename Element>
class RingQueue {
public:
    // Room for `capacity` elements, at least one; each place holds an Element{} while it is free.
    explicit RingQueue(std::size_t capacity) : places_(capacity) {}

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] bool full() const noexcept { return size_ == places_.size(); }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    // Puts `element` behind the last one. Not when it is full: that would be the first one's place.
    void push(Element element) {
        places_[(front_ + size_) % places_.size()] = std::move(element);  // [ring]
        ++size_;
    }

    // Takes the first one out, and leaves nothing of it in its place. Not when it is empty.
    Element pop() {
        Element element = std::exchange(places_[front_], Element{});
        front_ = (front_ + 1) % places_.size();
        --size_;
        return element;
    }

private:
    std::vector<Element> places_;
    std::size_t front_ = 0;  // where the first element is
    std::size_t size_ = 0;
};
