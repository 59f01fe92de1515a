"""The book: every page complete, every link and anchor real, both languages in step, and a browser that has no complaint."""

import html.parser
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from chapters import CHAPTERS, ROOT, find
from process import Server
from text import Text

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("book")]
DRIVER = "/usr/bin/chromedriver"
PAGES = ["index", "calls", "notes", *(chapter.name for chapter in CHAPTERS)]


class Page(html.parser.HTMLParser):
    """What a page holds: its anchors, its links, what it would fetch, its headings."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.fetched, self.tags = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        if "id" in found and tag != "marker":
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        if tag in ("link", "script", "img", "iframe"):
            self.fetched.append(found.get("href") or found.get("src"))


@pytest.fixture(scope="module")
def recorded():
    """One real run, as picture of every chapter: what differs from run to run is not the build's doing."""
    pytest.importorskip("markdown_it")
    from build import build
    from trace import own_command, record
    from trace_pictures import picture_of

    build(["04_select", "11_http"])
    chapter = find("04")
    run = record(chapter, own_command(chapter))
    return {each.name: [picture_of(run, "a run", "一次运行")] for each in CHAPTERS}


@pytest.fixture(scope="module")
def book(recorded, tmp_path_factory):
    from book import Book

    folder = tmp_path_factory.mktemp("book")
    Book(folder, recorded).build()
    return folder


@pytest.fixture(scope="module")
def pages(book):
    return {path: Page(path) for path in sorted(book.rglob("*.html"))}


def test_every_page_is_there(book):
    missing = [f"{language}/{page}" for language in ("en", "zh") for page in PAGES if not (book / language / f"{page}.html").exists()]
    assert not missing


def test_the_build_is_deterministic(recorded, book, tmp_path):
    from book import Book

    Book(tmp_path / "again", recorded).build()
    assert subprocess.run(["diff", "-r", book, tmp_path / "again"], capture_output=True, text=True).stdout == ""


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
    assert f"../zh/{name}.html" in english.links and f"../en/{name}.html" in chinese.links


@pytest.mark.parametrize("source, shown", [
    ("先写完，\n再读", "先写完，再读"), ("先\n写", "先写"), ("写在\n`write` 里，\n`read`", "写在\n<code>write</code> 里，<code>read</code>"),
    ("one\ntwo", "one\ntwo"), ("先写。<!--? a > b -->\n再读", "先写。<!--? a > b -->再读"),
])
def test_no_blank_stands_between_chinese_letters(source, shown):
    from book_page import Place, Renderer

    assert Renderer(Place("zh", "", {}, {}, set())).html(source) == f"<p>{shown}</p>\n"


@pytest.mark.parametrize("link, leads_to", [
    ("../docs/models.md#large-messages", "../files/docs__models.md.html#large-messages"),
    ("../docs/models.md", "../files/docs__models.md.html"), ("../bench/floor.cpp#L1", "../files/bench__floor.cpp.html"),
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
    for chapter in CHAPTERS:
        wanted = len(Text(chapter.path / "README.md").of("mermaid")) + 1
        assert pages[book / "en" / f"{chapter.name}.html"].tags.count("svg") == wanted


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


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("page", ["en/index", "zh/index", "en/notes", "zh/calls", *(f"en/{c.name}" for c in CHAPTERS), "zh/11_http"])
def test_no_page_scrolls_sideways_or_complains(browser, served, page, width):
    window(browser, width)
    browser.get(f"{served}/{page}.html")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []


def shown_file(browser):
    return browser.execute_script('return [...document.querySelectorAll(".file")].filter(f => f.offsetHeight).map(f => f.id)')


def test_the_code_follows_the_text(browser, served):
    window(browser, 1440)
    browser.get(f"{served}/en/04_select.html")
    assert shown_file(browser) == ["server.cpp"]
    place = browser.execute_async_script("""
        const done = arguments[0], quotes = document.querySelectorAll(".quote"), last = quotes[quotes.length - 1];
        last.scrollIntoView();
        setTimeout(() => requestAnimationFrame(() => done(last.dataset.place)), 100);""")
    assert place.startswith("client.cpp-") and shown_file(browser) == ["client.cpp"]
    assert browser.execute_script("""
        const at = document.getElementById(arguments[0]).getBoundingClientRect(), pane = document.querySelector(".files").getBoundingClientRect();
        return at.top >= pane.top && at.top < pane.bottom;""", place)


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
@pytest.mark.parametrize("page", ["en/index", "zh/notes", "en/calls", "en/01_basic_tcp", "zh/07_reactor", "en/11_http"])
def test_accessibility(browser, served, axe, page, scheme):
    window(browser, 1440)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.set_script_timeout(60)
    browser.get(f"{served}/{page}.html")
    browser.execute_script(axe)
    found = browser.execute_async_script("axe.run().then(found => arguments[0](found.violations.map("
                                         "v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 150)).join(' | '))))")
    assert found == []
