"""A text as HTML: its headings with anchors, its links led to pages, its tags led to the code, its diagrams drawn."""

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

import book_code
import diagram
from common import CHAPTERS, ROOT
from text import LEAD, Text, sources, tags_in

SUFFIX = {"en": "README.md", "zh": "README.zh-CN.md"}
PUNCTUATION = re.compile(r"[、。，：；？！）（“”《》]")
CHINESE = re.compile(r"[\u3001-\u30ff\u3400-\u9fff\uff00-\uffef]")
WRAP = [path for path in sources(ROOT / "wrap")]


def slug(title):
    """The anchor of a heading, as GitHub makes it: the texts' links count on that."""
    return re.sub(r"[^\w\- ]", "", title.lower().replace("`", "")).replace(" ", "-")


def file_page(path):
    """The page that shows a file or folder of the tree, beside the chapters' of each language; a picture is in a folder
    of its own."""
    name = str(path).replace("/", "__")
    return f"../files/{name}" if path.suffix == ".svg" else f"file-{name}.html"


@dataclass
class Place:
    """What a text stands in: its language and folder, and where each tag that it may name has its code."""

    language: str
    folder: str  # in which it lies, "" for the root
    calls: dict
    tags: dict  # {tag: link}
    files: set  # paths of files and folders that were linked to and want a page

    def link(self, href):
        """Where a link of the text leads in the book."""
        if re.match(r"[a-z]+:|#", href):
            return href
        path, _, fragment = href.partition("#")
        target = (ROOT / self.folder / path).resolve()
        inside = target.relative_to(ROOT)
        after = f"#{fragment}" if fragment else ""
        if target.name in SUFFIX.values():
            return ("index" if target.parent == ROOT else target.parent.name) + ".html" + after
        if target.parent == ROOT / self.folder and target.suffix in (".cpp", ".h"):
            return f"#{target.name}"
        if self.tags and target == ROOT / "wrap":
            return f"#wrap/{WRAP[0].name}"
        if target.is_dir() and (target / "README.md").exists():
            return f"{target.name}.html"
        if target.parent.parent == ROOT and (target.parent / "README.md").exists():
            return f"{target.parent.name}.html#{target.name}"
        return self.file(inside) + (after if target.suffix == ".md" else "")

    def file(self, inside):
        inside = inside.with_name(inside.name.replace(".zh-CN.md", ".md"))  # a page of either language has that name
        self.files.add(inside)
        return file_page(inside)

    def picture(self, source):
        """Where a picture of the text lies in the book."""
        return self.file((ROOT / self.folder / source).resolve().relative_to(ROOT))


def tag_links(chapter):
    """{tag: link} of all tags that a chapter's text may name: its own files', those of wrap/, its ancestors'."""
    by_name, found = {each.name: each for each in CHAPTERS}, {}
    for path in WRAP:
        found.update({tag: f"#{book_code.anchor('wrap/' + path.name, tag)}" for tag in tags_in(path.read_text())})
    line = [chapter]
    while line[-1].parent:
        line.append(by_name[line[-1].parent])
    for each in reversed(line):
        page = "" if each == chapter else f"{each.name}.html"
        for path in sources(each.path):
            found.update({tag: f"{page}#{book_code.anchor(path.name, tag)}" for tag in tags_in(path.read_text())})
    return found


class Renderer:
    """Turns one text into HTML. `spoken` collects the calls that its table introduces."""

    def __init__(self, place):
        self.place = place
        self.md = MarkdownIt("commonmark", {"html": True}).enable("table")
        self.lead = ""
        for name in ("fence", "code_inline", "softbreak", "link_open", "image", "heading_open", "table_open", "table_close"):
            self.md.add_render_rule(name, self.rule(getattr(self, name)))

    @staticmethod
    def rule(method):
        return lambda renderer, tokens, at, options, env: method(renderer, tokens, at, options, env)

    def html(self, source):
        """The HTML, and the headings of the second level as (anchor, title)."""
        tokens = self.md.parse(source)
        self.headings, section, self.figures = [], "", 0
        for at, token in enumerate(tokens):
            if token.type == "heading_open":
                section = tokens[at + 1].content
                token.attrSet("id", slug(section))
                if token.tag == "h2":
                    self.headings.append((slug(section), section))
            elif token.type == "inline" and token.content:
                self.mark(token, section)
            token.meta["section"], token.meta["lead"] = section, tokens[at - 2].content if at > 1 else ""
        rendered = self.md.renderer.render(tokens, self.md.options, {})
        return rendered.replace("<th></th>", "<td></td>")  # a head without words heads nothing

    def mark(self, token, section):
        for child in token.children:
            child.meta["section"] = section

    # ---- what is rendered otherwise than usual

    def heading_open(self, renderer, tokens, at, options, env):
        return renderer.renderToken(tokens, at, options, env)

    def table_open(self, renderer, tokens, at, options, env):
        return '<div class="wide" tabindex="0" role="group"><table>\n'

    def table_close(self, renderer, tokens, at, options, env):
        return "</table></div>\n"

    def softbreak(self, renderer, tokens, at, options, env):
        """A line's end is a blank, but none stands between two Chinese letters, nor behind their punctuation."""
        shown = [token.content if token.type != "html_inline" else "" for token in tokens]  # a comment is not
        before = next((content[-1] for content in reversed(shown[:at]) if content), "")
        after = next((content[0] for content in shown[at + 1:] if content), "")
        return "" if PUNCTUATION.match(before) or CHINESE.match(before) and CHINESE.match(after) else "\n"

    def link_open(self, renderer, tokens, at, options, env):
        tokens[at].attrSet("href", self.place.link(tokens[at].attrGet("href")))
        return renderer.renderToken(tokens, at, options, env)

    def image(self, renderer, tokens, at, options, env):
        tokens[at].attrSet("src", self.place.picture(tokens[at].attrGet("src")))
        return renderer.image(tokens, at, options, env)

    def code_inline(self, renderer, tokens, at, options, env):
        words = tokens[at].content
        tag = re.fullmatch(r"\[([a-z][a-z0-9_-]*)\]", words)
        if tag and tag[1] in self.place.tags:
            return f'<a class="tag" href="{self.place.tags[tag[1]]}"><code>{escape(words)}</code></a>'
        if words in self.place.calls and not self.in_link(tokens, at):
            return f"<code>{book_code.call_link(words, self.place.calls, self.place.language)}</code>"
        return f"<code>{escape(words)}</code>"

    @staticmethod
    def in_link(tokens, at):
        return sum({"link_open": 1, "link_close": -1}.get(token.type, 0) for token in tokens[:at]) > 0

    def fence(self, renderer, tokens, at, options, env):
        token = tokens[at]
        language, lines = token.info.strip(), token.content.splitlines()
        if language == "mermaid":
            return self.figure(lines, token.meta["section"])
        if language == "cpp" and (lead := LEAD.fullmatch(token.meta["lead"])):
            link = self.place.tags.get(lead[2], "#")
            inside = "\n".join(book_code.coloured_lines(token.content, {}, self.place.language))
            return f'<pre class="code quote" tabindex="0" data-place="{link[1:]}"><code>{inside}\n</code></pre>\n'
        if language in ("cpp", "c"):
            inside = "\n".join(book_code.coloured_lines(token.content, {}, self.place.language))
        else:
            inside = "\n".join(f'<span class="typed">{escape(line)}</span>' if line.startswith("$ ") else escape(line)
                               for line in lines)
        return f'<pre class="code" tabindex="0"><code>{inside}\n</code></pre>\n'

    def figure(self, lines, section):
        self.figures += 1
        drawing, sentences = diagram.drawn(lines, f"{section} {self.figures}")
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
        words = {"en": "The picture in words", "zh": "图示的文字说明"}[self.place.language]
        return (f'<figure><div class="wide" tabindex="0" role="group" aria-label="{escape(section)}">{drawing}</div>'
                f"<details><summary>{words}</summary><ol>{items}</ol></details></figure>\n")


def files_of(chapter, language, calls):
    """(name, HTML) of each source on a chapter's page: its programs, its other files, and wrap/ where it is used."""
    text = Text(chapter.path / SUFFIX[language])
    order = {"server.cpp": 0, "client.cpp": 1}
    own = sorted(sources(chapter.path), key=lambda path: (order.get(path.name, 2), path.name))
    for path in [*own, *WRAP]:
        name = path.name if path in own else f"wrap/{path.name}"
        source = path.read_text()
        runs = book_code.quoted_runs(source, book_code.quotations(text, name if path in own else f"../{name}"))
        yield name, book_code.rendered(source, name, runs, calls, language)


def chapter_text(chapter, language, calls, files):
    """(HTML, headings, title) of a chapter's text."""
    source = (chapter.path / SUFFIX[language]).read_text()
    title = source.split("\n", 1)[0].lstrip("# ")
    place = Place(language, chapter.name, calls, tag_links(chapter), files)
    renderer = Renderer(place)
    return renderer.html(without_switch(source)), renderer.headings, title


def without_switch(source):
    """The text without its line that leads to the other language: every page of the book has a switch."""
    return re.sub(r"^\*\[[^\]]+\]\([^)]*\.md\)\*\n", "", source, count=1, flags=re.MULTILINE)


def plain_text(path, language, calls, files):
    """(HTML, title) of a text that is no chapter's."""
    source = Path(path).read_text()
    folder = str(Path(path).parent.relative_to(ROOT))
    renderer = Renderer(Place(language, "" if folder == "." else folder, calls, {}, files))
    return renderer.html(without_switch(source)), source.split("\n", 1)[0].lstrip("# ")
