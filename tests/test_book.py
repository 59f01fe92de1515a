"""The book: every page complete, every link and anchor real, both languages in step, and a browser that has no complaint."""

import html.parser
import json
import re
import subprocess
import tomllib
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from chapters import CHAPTERS, ROOT, find
from process import Server, wait_until
from text import Text, sources

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("book")]
DRIVER = "/usr/bin/chromedriver"
MACRO = re.compile(r"[A-Z][A-Z_]+|(?:event|evbuffer|evutil|evtimer|evsignal|evconnlistener|bufferevent)_\w+")
PAGES = ["index", "calls", "notes", *(chapter.name for chapter in CHAPTERS)]


class Page(html.parser.HTMLParser):
    """What a page holds: its anchors, its links, what it would fetch, its headings."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.fetched, self.tags = [], [], [], []
        self.language = self.switch = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        if "id" in found and tag != "marker":
            self.ids.append(found["id"])
        if tag == "html":
            self.language = found["lang"]
        if tag == "a":
            self.links.append(found["href"])
            self.switch = found["href"] if found.get("class") == "switch" else self.switch
        if tag in ("link", "script", "img", "iframe"):
            self.fetched.append(found.get("href") or found.get("src"))


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """As a user makes it, with its pictures of real runs."""
    pytest.importorskip("markdown_it")
    folder = tmp_path_factory.mktemp("book")
    ended = subprocess.run([ROOT / "lab", "book", "--build-only", folder], capture_output=True, text=True, timeout=600)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    return folder


@pytest.fixture(scope="module")
def pages(book):
    return {path: Page(path) for path in sorted(book.rglob("*.html"))}


def test_every_page_is_there(book):
    missing = [f"{language}/{page}" for language in ("en", "zh") for page in PAGES if not (book / language / f"{page}.html").exists()]
    assert not missing


def without_runs(folder):
    """{name: content} of all files of a book; without its pictures, for no run is like another."""
    runs = re.compile(rb'<section class="runs".*?</section>', re.DOTALL)
    return {file.relative_to(folder): runs.sub(b"", file.read_bytes()) for file in folder.rglob("*") if file.is_file()}


def test_the_build_is_deterministic(book, tmp_path):
    from book import Book

    Book(tmp_path / "again", {}).build()
    once, again = without_runs(book), without_runs(tmp_path / "again")
    assert [name for name in once.keys() | again.keys() if once.get(name) != again.get(name)] == []


def test_links_and_anchors(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"https?:", link):
                continue
            name, _, fragment = unquote(link).partition("#")
            target = (path.parent / name).resolve() if name else path
            if target not in pages or fragment and fragment not in pages[target].ids:
                broken.append(f"{path.name}: {link}")
    assert not broken


def test_anchors_are_unique(pages):
    assert not [(path.name, id) for path, page in pages.items() for id in set(page.ids) if page.ids.count(id) > 1]


def test_no_page_fetches_anything_from_elsewhere(book, pages):
    fetched = {what for page in pages.values() for what in page.fetched}
    pictures = {what for what in fetched if what.endswith(".svg")}
    assert pictures and all((book / "en" / what).resolve().is_relative_to(book) for what in pictures)
    assert all((book / "en" / what).is_file() for what in pictures)
    assert fetched - pictures == {"../style.css", "../book.js", "style.css", "data:,"}


@pytest.mark.parametrize("name", PAGES)
def test_languages_are_in_step(pages, book, name):
    english, chinese = (pages[book / language / f"{name}.html"] for language in ("en", "zh"))
    for tag in ("h1", "h2", "h3", "pre", "svg", "figure", "table", "tr"):
        assert english.tags.count(tag) == chinese.tags.count(tag), tag


def test_the_switch_alone_leads_to_the_other_language_and_to_the_same_page(pages, book):
    astray = []
    for path, page in pages.items():
        if path.parent == book:  # the door
            continue
        other = {"en": "zh", "zh": "en"}[path.parent.name]
        assert page.language == {"en": "en", "zh": "zh-CN"}[path.parent.name]
        assert page.switch == f"../{other}/{path.name}" and page.links.count(page.switch) == 1, path
        astray += [f"{path}: {link}" for link in page.links if link != page.switch and link.startswith("..")]
    assert not astray


@pytest.mark.parametrize("source, shown", [
    ("先写完，\n再读", "先写完，再读"), ("先\n写", "先写"), ("写在\n`write` 里，\n`read`", "写在\n<code>write</code> 里，<code>read</code>"),
    ("one\ntwo", "one\ntwo"), ("先写。<!--? a > b -->\n再读", "先写。<!--? a > b -->再读"),
])
def test_no_blank_stands_between_chinese_letters(source, shown):
    from book_page import Place, Renderer

    assert Renderer(Place("zh", "", {}, {}, set())).html(source) == f"<p>{shown}</p>\n"


@pytest.mark.parametrize("link, leads_to", [
    ("../docs/models.md#large-messages", "file-docs__models.md.html#large-messages"),
    ("../docs/models.md", "file-docs__models.md.html"), ("../docs/models.zh-CN.md", "file-docs__models.md.html"),
    ("../bench/floor.cpp#L1", "file-bench__floor.cpp.html"), ("../README.zh-CN.md", "index.html"),
])
def test_a_link_to_a_heading_of_another_text_leads_there(link, leads_to):
    from book_page import Place

    assert Place("en", "10_unix_socket", {}, {}, set()).link(link) == leads_to


class Shown(html.parser.HTMLParser):
    """The words that a reader of some HTML sees: comments are none."""

    def __init__(self, source):
        super().__init__()
        self.words = ""
        self.feed(source)

    def handle_data(self, data):
        self.words += data


@pytest.mark.parametrize("source, shown", [
    ("It takes <!--= cpu_us a -->8.3<!--/--> µs.\n<!--? a > b -->\n", "It takes 8.3 µs.\n"),
    ("- One\n  takes <!--= a -->8.3<!--/--> µs.\n  <!--? a > b -->\n- Two", "\nOne\ntakes 8.3 µs.\nTwo\n"),
    ("| a |\n|---|\n| <!--= a -->8.3<!--/--> |\n", "a 8.3"),
    ("<!--= table a -->\n| a |\n|---|\n| 8.3 |\n<!--/-->\n", "a 8.3"),
    ("要 <!--= a -->8.3<!--/--> µs，\n再读", "要 8.3 µs，再读"),
])
def test_a_marker_is_not_shown(source, shown):
    from book_page import Place, Renderer

    html = Renderer(Place("en", "", {}, {}, set())).html(source)
    assert re.sub(r"\s+", " ", Shown(html).words).strip() == re.sub(r"\s+", " ", shown).strip()


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_no_marker_is_shown_in_a_chapter(chapter, name):
    from book_page import Place, Renderer

    html = Renderer(Place("en", chapter.name, {}, {}, set())).html((chapter.path / name).read_text())
    assert "<!--" not in Shown(html).words


def test_every_call_that_a_text_introduces_has_its_line():
    from book_code import read_calls

    calls, without = read_calls(), []
    for chapter in CHAPTERS:
        section = (chapter.path / "README.md").read_text().split("\n## The calls\n")[1].split("\n## ")[0]
        for row in re.findall(r"^\| (`.*)\|$", section, re.MULTILINE):
            cells = row.split("|")
            names = re.findall(r"`(\w+)[`(]", cells[0])
            if re.search(r"\(2\)", cells[-1]):
                without += [name for name in names if name not in calls and not name.startswith("MSG_") and not name.isupper()]
    assert not without


def imported(program):
    """What a program takes from the libraries that it is linked to; pread64 is pread where files may be large."""
    shown = subprocess.run(["nm", "-D", "--undefined-only", program], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].partition("@")[0].removesuffix("64") for line in shown.splitlines()}


def test_every_call_in_a_source_has_its_line(plain):
    """Of the C library and libevent: what the programs import, and the macros, which are known by their form."""
    from book_code import read_calls, tokens_of

    paths = [path for folder in [*(chapter.path for chapter in CHAPTERS), ROOT / "wrap"] for path in sources(folder)]
    called = {value for path in paths for _, value, is_call in tokens_of(path.read_text()) if is_call}
    programs = [file for chapter in CHAPTERS for file in (plain / chapter.name).iterdir() if file.is_file()]
    wanted = called & set().union(*map(imported, programs)) | {name for name in called if MACRO.fullmatch(name)}
    assert wanted >= {"sigaddset", "pread", "getopt_long", "evbuffer_add", "event_active", "S_ISREG", "evtimer_new"}
    assert wanted <= read_calls().keys(), sorted(wanted - read_calls().keys())


def test_a_call_is_introduced_as_code():
    from book import introduced

    assert [chapter.number for chapter in introduced("epoll_wait")] == ["06", "07"]
    assert list(introduced("time")) == []  # 07: "`epoll_wait` with a time"


@pytest.mark.parametrize("source, is_call", [
    ("read(5);", True), ("return read(5);", True), ("n = ::read(5);", True), ("// like read(2)\nread(5);", True),
    ("// words\nread(5);", True), ("file.read(5);", False), ("Own::read(5);", False),
    ("int *read(int);\nread(5);", False),
    ("std::span<char> read(int);\nread(5);", False), ("Piece Own::read(int size) {\n    return read(5);\n}", False),
])
def test_a_call_of_the_system_is_known_from_others(source, is_call):
    from book_code import coloured_lines

    line = next(line for line in coloured_lines(source, {"read": ("2", "read", "读")}, "en") if "5" in line)
    assert ("data-man" in line) == is_call


def test_every_man_line_has_two_languages_and_no_twin():
    from book_code import CALLS, read_calls

    rows = [line for line in CALLS.read_text().splitlines() if line and not line.startswith("#")]
    assert all(len(re.split(r"\s{2,}", row)) == 3 for row in rows) and len(read_calls()) == len(rows)


def test_lecture_notes_page(book):
    from book import same_place

    found = tomllib.loads((ROOT / "book" / "notes.toml").read_text())["heading"]
    assert found[0]["title"] == "" and len(found) == 21
    named = {title for chapter in CHAPTERS for title in re.findall(
        r"“([^”]+)”", (chapter.path / "README.md").read_text().rsplit("\n## ", 1)[1].split("\n|")[0])}
    assert named <= {heading["title"] for heading in found}
    for heading in found:
        assert heading["where"] and all(same_place(where, language) for where in heading["where"] for language in ("en", "zh"))
        assert all(len(row) == 3 and "\n" not in row[0] for row in heading["wrong"])


def test_every_diagram_is_drawn_and_said(pages, book):
    from trace_pictures import RUNS

    for chapter in CHAPTERS:
        wanted = len(Text(chapter.path / "README.md").of("mermaid")) + len(RUNS[chapter.name])
        assert pages[book / "en" / f"{chapter.name}.html"].tags.count("svg") == wanted


# ---- the pictures of real runs, as their tables tell them


@dataclass
class Picture:
    title: str
    lanes: list
    rows: list  # (lane, client, words)

    def first(self, lane, words, client="", after=-1):
        """Which row is the first of a lane that matches, about a client where one is named."""
        found = [number for number, row in enumerate(self.rows) if number > after and row[0] == lane
                 and client in ("", row[1]) and re.match(words, row[2])]
        assert found, f"{self.title}: {lane} never does {words} {client}"
        return found[0]

    @property
    def answers(self):
        """(the server's lane, the client) of what is sent."""
        return {(lane, client) for lane, client, words in self.rows if lane.startswith("server") and client
                and re.match(r"(… )?(write|writev|sendto|sendmsg|sendfile)\b", words)}


def pictures_of(book, number):
    """The pictures on a chapter's page."""
    page = (book / "en" / f"{find(number).name}.html").read_text()
    cell = lambda words: unescape(re.sub("<.*?>", "", words))  # noqa: E731
    for figure in re.search(r'<section class="runs".*?</section>', page, re.DOTALL)[0].split("<h3 ")[1:]:
        lanes = [cell(words) for words in re.findall(r'<text [^>]*class="strong">(.*?)</text>', figure)]
        rows = re.findall(r"<tr><td>[\d.]+</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", figure)
        yield Picture(re.search(">(.*?)</h3>", figure)[1], lanes, [tuple(map(cell, row)) for row in rows])


@pytest.mark.parametrize("number", [chapter.number for chapter in CHAPTERS])
def test_every_chapter_has_its_pictures_of_three_clients(book, number):
    pictures = list(pictures_of(book, number))
    assert len(pictures) == (2 if number == "06" else 1)
    for picture in pictures:
        assert picture.lanes[:3] == ["A", "B", "C"] and "server" in picture.lanes
        assert {lane for lane, *_ in picture.rows} | {"kernel"} == set(picture.lanes)  # which has words of TCP alone
        assert {client for _, client in picture.answers} == {"A", "B", "C"} - {"A" if number == "07" else ""}


def test_the_picture_of_01_has_a_second_client_that_waits(book):
    [picture] = pictures_of(book, "01")
    spoke = picture.first("B", r"write\(")
    waits = picture.first("B", r"read\(.* waits", after=spoke)
    answered = [picture.first("server", r"write\(", client) for client in "ABC"]
    assert spoke < waits < answered[0] < answered[1] < answered[2]
    assert "woken by server: write" in picture.rows[picture.first("B", "… read", after=waits)][2]


@pytest.mark.parametrize("number", ["02", "03"])
def test_a_child_or_a_thread_for_each_client_is_a_lane(book, number):
    [picture] = pictures_of(book, number)
    assert picture.lanes[-4:] == ["server", "server 2", "server 3", "server 4"]
    assert sorted(lane for lane, _ in picture.answers) == ["server 2", "server 3", "server 4"]


@pytest.mark.parametrize("number, call", [
    ("04", "pselect6"), ("05", "poll"), ("06", "epoll_wait"), ("12", "epoll_wait"),
])
def test_one_lane_answers_three_clients_and_waits_for_all(book, number, call):
    for picture in pictures_of(book, number):
        assert [lane for lane in picture.lanes if lane.startswith("server")] == ["server"]
        assert picture.first("server", rf"{call}\(.* waits") < picture.first("server", rf"… {call}\b.* woken by [ABC]")


def test_the_pictures_of_06_are_of_level_and_of_edge(book):
    level, edge = pictures_of(book, "06")
    assert level.title.startswith("Level-triggered") and edge.title.startswith("Edge-triggered")
    for picture, asked_for in ((level, {"EPOLLIN)"}), (edge, {"EPOLLIN|EPOLLOUT|…)"})):
        rows = [(client, words) for lane, client, words in picture.rows if lane == "server"]
        assert {words.split()[3] for _, words in rows if "EPOLL_CTL_ADD" in words} == asked_for
        assert len([words for client, words in rows if client == "B" and "read(" in words]) > 2


def test_the_timer_in_the_picture_of_07_fires(book):
    [picture] = pictures_of(book, "07")
    over = picture.first("server", "… epoll_wait.* its time is over")
    assert over < picture.first("server", r"close\(", "A") < picture.first("A", r"close\(")


def test_the_picture_of_08_has_its_workers(book):
    [picture] = pictures_of(book, "08")
    assert picture.lanes[-4:] == ["server", "server 2", "server 3", "server 4"]  # the loop, two workers, the manager
    assert {lane for lane, _ in picture.answers} == {"server"}
    worked = {lane for lane, _, words in picture.rows if lane.startswith("server ") and words.startswith("write(")}
    assert worked and all(picture.first(lane, "… futex") < picture.first(lane, r"write\(") for lane in worked)


@pytest.mark.parametrize("line", ["A-)B: hello", "loop forever", "participant"])
def test_a_diagram_that_is_not_understood_is_an_error(line):
    import diagram
    from common import Trouble

    with pytest.raises(Trouble, match="not understood"):
        diagram.drawn(["sequenceDiagram", line], "title")


# ---- in a browser


@pytest.fixture(scope="module")
def served(book, plain):
    server = Server([plain / "11_http" / "server", "--root", book, "--port", "0"])
    yield f"http://127.0.0.1:{server.address[1]}"
    server.kill()


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: packages.txt, group browser")
    if not Path(DRIVER).exists():
        pytest.skip(f"{DRIVER} is not installed: packages.txt, group browser")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service(DRIVER), options=options)
    yield driver
    driver.quit()


def window(browser, width):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})


def requests_of(browser):
    """What the browser has asked for since the last look."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]


PLAIN = ["en/index", "zh/index", "en/notes", "zh/calls", "en/file-docs__models.md", "zh/file-docs__checks.md"]


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("page", [*PLAIN, *(f"en/{c.name}" for c in CHAPTERS), "zh/11_http"])
def test_no_page_scrolls_sideways_complains_or_asks_elsewhere(browser, served, page, width):
    window(browser, width)
    requests_of(browser)
    browser.get(f"{served}/{page}.html")
    asked = requests_of(browser)
    assert f"{served}/{page}.html" in asked and f"{served}/style.css" in asked
    assert [url for url in asked if not url.startswith((f"{served}/", "data:"))] == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("name", ["index", "04_select", "file-docs__models.md", "file-CONTRIBUTING.md"])
def test_the_switch_leads_to_the_twin_and_back(browser, served, name, width):
    window(browser, width)
    browser.get(f"{served}/en/{name}.html")
    for language, words, contents in (("zh", "zh-CN", "目录"), ("en", "en", "Contents")):
        browser.find_element("css selector", ".switch").click()
        assert browser.current_url == f"{served}/{language}/{name}.html"
        assert browser.execute_script("return document.documentElement.lang") == words
        assert browser.find_element("css selector", "header nav a").text == contents


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_phone_reaches_the_calls_and_the_lecture_notes(browser, served, language):
    window(browser, 360)
    for name in ("calls", "notes"):
        browser.get(f"{served}/{language}/index.html")
        browser.find_element("css selector", f'a[href="{name}.html"]').click()
        assert browser.current_url == f"{served}/{language}/{name}.html"


A4 = 718  # the width of a sheet less its margins, of 1 cm, at 96 an inch


@pytest.mark.parametrize("page", [*PLAIN, *(f"en/{c.name}" for c in CHAPTERS)])
def test_on_paper_are_text_and_code_and_nothing_is_cut(browser, served, page):
    window(browser, A4)
    browser.get(f"{served}/{page}.html")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert browser.execute_script("return document.querySelector('article').innerText.length") > 300
        files = {file.get_attribute("id") for file in browser.find_elements("class name", "file") if len(file.text) > 300}
        cut = browser.execute_script("""
            const over = e => getComputedStyle(e).overflow !== "visible" && e.checkVisibility()
                && (e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight);
            return [...document.querySelectorAll("body, body *")].filter(over).map(e => e.outerHTML.slice(0, 150));""")
        wide = browser.execute_script("""
            const beyond = e => e.checkVisibility() && e.getBoundingClientRect().right > arguments[0] + 1;
            return [...document.querySelectorAll("body *")].filter(beyond).map(e => e.outerHTML.slice(0, 150));""", A4)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert (cut, wide[:3]) == ([], [])
    assert files >= ({"server.cpp", "client.cpp"} if page[3:].startswith(("0", "1")) else set())


def shown_file(browser):
    return browser.execute_script('return [...document.querySelectorAll(".file")].filter(f => f.offsetHeight).map(f => f.id)')


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_the_code_follows_the_text(browser, served, chapter):
    window(browser, 1440)
    browser.get(f"{served}/en/{chapter.name}.html")
    assert shown_file(browser) == ["server.cpp"]
    quotes = browser.find_elements("class name", "quote")
    assert len(quotes) == len(Text(chapter.path / "README.md").of("cpp"))
    for quote in quotes:
        place = browser.execute_script("""
            const quote = arguments[0], text = document.getElementById("text"), edge = text.clientHeight * 0.6;
            text.scrollTop += quote.getBoundingClientRect().top - text.getBoundingClientRect().top - edge + 5;
            return quote.dataset.place;""", quote)
        wait_until(lambda: "spoken" in quote.get_attribute("class"), 10, f"the code does not follow to {place}")
        assert [place.startswith(f"{name}-") for name in shown_file(browser)] == [True], place
        assert browser.execute_script("""
            const at = document.getElementById(arguments[0]).getBoundingClientRect();
            const pane = document.querySelector(".files").getBoundingClientRect();
            return at.top >= pane.top && at.top < pane.bottom;""", place), place


def test_a_call_tells_its_line_to_the_keyboard(browser, served):
    window(browser, 1440)
    browser.get(f"{served}/en/04_select.html")
    told = browser.execute_script("""
        const call = document.querySelector(".files .call"); call.focus({focusVisible: true});
        return getComputedStyle(call, "::after").content;""")
    assert "(2)" in told or "(3)" in told


def test_without_a_script_the_links_choose_the_file(browser, served):
    window(browser, 1440)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        for fragment, file in (("", "server.cpp"), ("#client.cpp", "client.cpp"), ("#client.cpp-keyboard", "client.cpp"),
                               ("#diff-server", "diff-server")):
            browser.get("about:blank")
            browser.get(f"{served}/en/04_select.html{fragment}")
            browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
            assert shown_file(browser) == [file]
            browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


AXE = "axe-core@4.10.2"


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("axe")
    try:
        ran = subprocess.run(["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts", AXE],
                             capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        pytest.skip("npm is not installed: packages.txt, group browser")
    if re.search("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH", ran.stderr):
        pytest.skip("npm's registry cannot be reached")
    assert ran.returncode == 0, ran.stderr
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page, width", [
    *((page, 1440) for page in ("en/index", "zh/notes", "en/calls", "en/01_basic_tcp", "zh/07_reactor", "en/11_http")),
    ("zh/index", 360), ("en/07_reactor", 360),
])
def test_accessibility(browser, served, axe, page, width, scheme):
    window(browser, width)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.set_script_timeout(60)
    browser.get(f"{served}/{page}.html")
    browser.execute_script(axe)
    found = browser.execute_async_script("axe.run().then(found => arguments[0](found.violations.map("
                                         "v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 150)).join(' | '))))")
    assert found == []
