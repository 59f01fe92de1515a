// With a script the code follows the reader: what the text at the top of the window quotes is what is seen beside it.
// Without one, the links of the text do the same when they are followed.
"use strict";
const text = document.getElementById("text"), code = document.getElementById("code");
const pane = code && code.querySelector(".files");

function open(id) {
    const place = document.getElementById(id);
    if (!place || !code || !code.contains(place))
        return null;
    const file = place.closest(".file");
    for (const each of code.querySelectorAll(".file"))
        each.classList.toggle("open", each === file);
    for (const link of code.querySelectorAll(".tabs a"))
        link.getAttribute("href") === "#" + file.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    for (const shown of code.querySelectorAll(".place.shown"))
        shown.classList.remove("shown");
    return place;
}

function show(id) {
    const place = open(id);
    if (!place)
        return;
    if (place.classList.contains("place"))
        place.classList.add("shown");
    if (apart())
        pane.scrollTop += place.getBoundingClientRect().top - pane.getBoundingClientRect().top - 40;
}

// Whether this is a desk, where the code scrolls for itself.
function apart() {
    return getComputedStyle(pane).overflowY === "auto";
}

function follow() {
    if (!apart())
        return;
    const edge = text.getBoundingClientRect().top + text.clientHeight * 0.6;
    let spoken = null;
    for (const quote of text.querySelectorAll(".quote")) {
        quote.classList.remove("spoken");
        if (quote.getBoundingClientRect().top < edge)
            spoken = quote;
    }
    if (spoken)
        spoken.classList.add("spoken");
    if (spoken !== follow.last && spoken)
        show(spoken.dataset.place);
    follow.last = spoken;
}

if (code) {
    document.documentElement.classList.add("scripted");
    const named = () => decodeURIComponent(location.hash.slice(1));
    open(code.querySelector(".file").id);
    if (document.getElementById(named()) && code.contains(document.getElementById(named())))
        show(named());
    addEventListener("hashchange", () => show(named()));
    document.addEventListener("click", event => {
        const link = event.target.closest('a[href^="#"]'), quote = event.target.closest(".quote");
        if (link && link.hash === location.hash)
            show(named());
        else if (quote)
            show(quote.dataset.place);
    });
    let waiting = false;
    text.addEventListener("scroll", () => {
        if (!waiting)
            requestAnimationFrame(() => { waiting = false; follow(); });
        waiting = true;
    }, {passive: true});
}
