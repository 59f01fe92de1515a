"""./lab book [--port N] [--build-only DIR]: the texts and the code side by side, as pages that need nothing else; our own
HTTP server, chapter 11, serves them."""

import re
import shutil
import subprocess
import sys
import tomllib
from html import escape
from pathlib import Path

import packages
from build import build as build_programs
from check import Failed
from common import BUILD, CHAPTERS, ROOT, USAGE, Trouble, say
from process import Server
from words import _, translated

SOURCE = ROOT / "book"
LANGUAGES = ("en", "zh")
PORT = 8000  # 11's own is every other chapter's too, and the reader will want to run these

SAY = {
    "en": dict(book="The book", index="Contents", parent="parent", child="children", calls="Calls",
               notes="Lecture notes", other="中文", skip="Skip to the text", text="Text", code="Code", files="Files",
               other_files="more of this chapter", runs="Real runs", words="As a table",
               runs_say="What the programs did when this page was made: time runs downward, the clients are to the left, "
                        "the server to the right. A bar is a call that waits; a thin line beside a lane is a descriptor, "
                        "from its opening to its close.",
               calls_title="The calls, each in a line", call="call", line="what its manual page says",
               introduced="introduced in",
               notes_title="Where it stands in the lecture notes", heading="their heading", place="here",
               before="(before the first heading)", they="the notes", right="what is right",
               wrongs="What they get wrong", names="Their names and ours", there="there", here="here", chapter="chapter",
               covered="Heading by heading"),
    "zh": dict(book="本书", index="目录", parent="上一级", child="下一级", calls="调用", notes="讲义对照",
               other="English", skip="跳到正文", text="正文", code="代码", files="文件", other_files="本章的其他文件",
               runs="真实的运行", words="表格形式",
               runs_say="制作本页时程序真正做的事：时间向下流逝，客户端在左，服务器在右。粗条是在等待的调用；"
                        "泳道旁的细线是一个描述符，从打开到关闭。",
               calls_title="每个调用一行说明", call="调用", line="手册页怎么说", introduced="出现在",
               notes_title="讲义里的内容在哪里", heading="讲义的标题", place="本书的位置",
               before="（第一个标题之前）", they="讲义", right="正确的是", wrongs="讲义的错误",
               names="讲义的名字与本书的名字", there="讲义", here="本书", chapter="章", covered="逐个标题"),
}


# ---- what stands on the pages


def diffs_of(chapter):
    """(name, HTML) of the diffs against the parent; none when there is no parent."""
    from book_code import rendered_diff
    from diff import lineage

    for (before, after), what in zip(lineage(chapter) if chapter.parent else [], ("server", "client")):
        command = ["git", "diff", "--no-index", "--no-color", "--no-ext-diff", "-W", before, after]
        ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        yield f"diff-{what}", rendered_diff(ran.stdout.splitlines())


def headings(chapter, language):
    """The anchors of a chapter's headings in a language, in their order."""
    from book_page import SUFFIX, slug
    from text import Text

    return [slug(title) for _, title in Text(chapter.path / SUFFIX[language]).headings]


def same_place(where, language):
    """(link, title) of "chapter#heading": the heading of the same rank in the other language."""
    from book_page import SUFFIX
    from text import Text

    name, _, anchor = where.partition("#")
    chapter = next((each for each in CHAPTERS if each.name == name), None)
    if not chapter or anchor not in headings(chapter, "en"):
        raise Trouble(f"book/notes.toml: there is no {where}")
    rank = headings(chapter, "en").index(anchor)
    title = Text(chapter.path / SUFFIX[language]).headings[rank][1].replace("`", "")
    return f"{name}.html#{headings(chapter, language)[rank]}", f"{name[:2]}: {title}" if rank else title


def names_rows(language):
    """(chapter, there, here) of all tables "In the lecture notes", as cells of markdown."""
    from book_page import SUFFIX

    for chapter in CHAPTERS:
        section = (chapter.path / SUFFIX[language]).read_text().rsplit("\n## ", 1)[1]
        for row in re.findall(r"^\| (.*) \| (.*) \|$", section, re.MULTILINE)[1:]:
            yield chapter, *row


def notes_html(language):
    from book_page import Place, Renderer

    words, out = SAY[language], []
    out.append(f"<h1>{words['notes_title']}</h1><h2 id=\"headings\">{words['covered']}</h2>")
    for number, heading in enumerate(tomllib.loads((SOURCE / "notes.toml").read_text())["heading"]):
        links = ", ".join(f'<a href="{link}">{escape(title)}</a>'
                          for link, title in (same_place(where, language) for where in heading["where"]))
        title = f'<span lang="zh-CN">{escape(heading["title"])}</span>' if heading["title"] else words["before"]
        out.append(f'<section><h3 id="heading-{number}">{title}</h3><p>{links}</p>')
        if heading["wrong"]:
            rows = "".join('<tr><td class="wrong"><span aria-hidden="true">✗</span> '
                           f'<code lang="zh-CN">{escape(wrong)}</code></td>'
                           '<td class="right"><span aria-hidden="true">✓</span> '
                           f'{escape(zh if language == "zh" else en)}</td></tr>'
                           for wrong, en, zh in heading["wrong"])
            out.append(table((words["they"], words["right"]), rows, words["wrongs"]))
        out.append("</section>")
    renderer = Renderer(Place(language, "", {}, {}, set()))
    inline = lambda cell: renderer.md.renderInline(cell.replace("\\|", "|"))  # noqa: E731
    rows = "".join(f'<tr><td><a href="{chapter.name}.html">{chapter.number}</a></td>'
                   f"<td>{inline(there)}</td><td>{inline(here)}</td></tr>"
                   for chapter, there, here in names_rows(language))
    heads = words["chapter"], words["there"], words["here"]
    out.append(f'<h2 id="names">{words["names"]}</h2>' + table(heads, rows, words["names"]))
    return "\n".join(out)


def table(heads, rows, label):
    cells = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return (f'<div class="wide" tabindex="0" role="group" aria-label="{escape(label)}"><table>'
            f"<thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table></div>")


def introduced(name):
    """The chapters whose text introduces a call, in the table of its calls."""
    for chapter in CHAPTERS:
        section = (chapter.path / "README.md").read_text().split("\n## The calls\n")[1].split("\n## ")[0]
        cells = [row.split("|")[1] for row in section.splitlines() if row.startswith("|")]
        if any(re.search(rf"\b{name}\b", code) for cell in cells for code in re.findall("`[^`]+`", cell)):
            yield chapter


def calls_html(language, calls):
    from book_code import man_line

    words = SAY[language]
    rows = ""
    for name in sorted(calls, key=str.lower):
        where = " ".join(f'<a href="{chapter.name}.html#{headings(chapter, language)[2]}">{chapter.number}</a>'
                         for chapter in introduced(name))
        rows += (f'<tr id="{name}"><td><code>{name}({calls[name][0]})</code></td>'
                 f"<td>{escape(man_line(name, calls, language).partition(': ')[2])}</td><td>{where}</td></tr>")
    heads = words["call"], words["line"], words["introduced"]
    return f"<h1>{words['calls_title']}</h1>" + table(heads, rows, words["calls_title"])


# ---- the pages


class Book:
    """One build of the book. `pictures`: {chapter's name: [picture for a language]}, made from real runs."""

    def __init__(self, folder, pictures):
        import jinja2
        from book_code import read_calls

        self.folder, self.pictures, self.calls, self.files = Path(folder), pictures, read_calls(), set()
        self.templates = jinja2.Environment(loader=jinja2.FileSystemLoader(SOURCE), undefined=jinja2.StrictUndefined,
                                            trim_blocks=True)

    def write(self, name, template="layout.html", **values):
        values = {"parent": "", "children": [], "chapter": None, **values}
        page = self.templates.get_template(template).render(say=SAY[values["language"]], **values)
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")

    def chapter(self, chapter, language):
        from book_page import chapter_text, files_of

        html, _, title = chapter_text(chapter, language, self.calls, self.files)
        shown = list(files_of(chapter, language, self.calls))
        own = [pair for pair in shown if not pair[0].startswith("wrap/")]
        self.write(f"{language}/{chapter.name}.html", "chapter.html", language=language, kind="chapter", title=title,
                   html=html, chapter=chapter, parent=chapter.parent, other=f"../{other(language)}/{chapter.name}.html",
                   children=[each.name for each in CHAPTERS if each.parent == chapter.name],
                   main_files=own[:2], other_files=own[2:], diffs=list(diffs_of(chapter)),
                   wrap_files=shown[len(own):],
                   pictures=[picture(language) for picture in self.pictures.get(chapter.name, [])])

    def plain(self, name, language, html, title):
        self.write(f"{language}/{name}.html", language=language, kind="index" if name == "index" else "plain",
                   title=title, html=html, other=f"../{other(language)}/{name}.html")

    def file(self, path, language):
        from book_code import coloured_lines
        from book_page import file_page, plain_text

        where, title = ROOT / path, f"<h1>{escape(str(path))}</h1>"
        chinese = where.with_name(where.name.replace(".md", ".zh-CN.md"))
        if where.is_dir():
            names = sorted(each.name for each in where.iterdir() if not each.name.startswith(("__", ".")))
            html = title + "<ul>" + "".join(f"<li><code>{escape(name)}</code></li>" for name in names) + "</ul>"
        elif path.suffix == ".md" and language == "zh" and not chinese.exists():
            html = f'<div lang="en">{plain_text(where, language, self.calls, self.files)[0]}</div>'
        elif path.suffix == ".md":
            html, _ = plain_text(chinese if language == "zh" else where, language, self.calls, self.files)
        else:
            source = where.read_text()
            lines = coloured_lines(source, self.calls, language) if path.suffix in (".cpp", ".h") else [escape(source)]
            html = title + '<pre class="code" tabindex="0"><code>' + "\n".join(lines) + "</code></pre>"
        self.plain(file_page(path).removesuffix(".html"), language, html, str(path))

    def picture(self, path):
        from book_page import file_page

        to = self.folder / "en" / file_page(path)
        to.parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / path, to)

    def build(self):
        from book_page import plain_text

        for name in ("style.css", "book.js"):
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(SOURCE / name, self.folder / name)
        shutil.copyfile(SOURCE / "door.html", self.folder / "index.html")
        for language in LANGUAGES:
            readme = ROOT / ("README.md" if language == "en" else "README.zh-CN.md")
            self.plain("index", language, *plain_text(readme, language, self.calls, self.files))
            self.plain("calls", language, calls_html(language, self.calls), SAY[language]["calls_title"])
            self.plain("notes", language, notes_html(language), SAY[language]["notes_title"])
            for chapter in CHAPTERS:
                self.chapter(chapter, language)
        written = set()
        while left := sorted(self.files - written):  # what is linked to may link to more
            written.update(left)
            for path in left:
                if path.suffix == ".svg":
                    self.picture(path)
                else:
                    for language in LANGUAGES:
                        self.file(path, language)


def other(language):
    return "en" if language == "zh" else "zh"


# ---- the command


def parsed(words):
    """(port, folder or None) of the command line."""
    port, folder, rest = PORT, None, list(words)
    while rest:
        option = rest.pop(0)
        if option not in ("--port", "--build-only"):
            raise Trouble(_("book takes --port and --build-only; what is '{word}'?", word=option), USAGE)
        if not rest:
            raise Trouble(_("book: {word} wants a value", word=option), USAGE)
        value = rest.pop(0)
        if option == "--port" and not (value.isascii() and value.isdigit() and int(value) < 65536):
            raise Trouble(_("book: --port takes 0 to 65535, not '{text}'", text=value), USAGE)
        port, folder = (int(value), folder) if option == "--port" else (port, Path(value))
    return port, folder


def emptied(folder):
    """Makes room for the book: what is there must be a book, or nothing."""
    if folder.exists() and not folder.is_dir():
        raise Trouble(_("{folder} is no folder", folder=folder))
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / "book.js").exists():
            raise Trouble(_("{folder} is not empty, and no book: it is left as it is", folder=folder))
        shutil.rmtree(folder)


def serve(folder, port):
    program = [BUILD / "11_http" / "server", "--root", folder, "--port", str(port)]
    try:
        server = Server(program)
    except Failed as failure:
        raise Trouble(_("book: {reason}", reason=translated(str(failure)))) from None
    try:
        say(_("the book is at http://{host}:{port}/ until Ctrl-C; 11_http serves it", host=server.address[0],
              port=server.address[1]))
        server.popen.wait()
    finally:
        server.kill()
    return 0


def main(words):
    port, folder = parsed(words)
    packages.require("core", "book")
    if folder:
        emptied(folder)
    build_programs([chapter.name for chapter in CHAPTERS])
    from trace_pictures import pictures

    where = folder or BUILD / "book"
    if not folder and where.exists():
        emptied(where)
    say(_("running every chapter for its pictures, and writing the pages"))
    Book(where, pictures()).build()
    if folder:
        return 0
    sys.stdout.flush()
    return serve(where, port)
