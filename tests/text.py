"""What a text promises about the code and the programs, taken apart so that it can be held against them.

Every function here that ends in _complaints returns a list of lines, one for each thing that is wrong; nothing
here knows of pytest. What a text is made of:

A quotation is a block fenced as ```cpp. The last line before its fence names where it stands:

    [`server.cpp`](server.cpp) `[short-write]`

It is a run of whole lines of that file, tags and comments included, less their common indentation. The line
that bears the tag is one of them, or the line right before them.

A tag in a source is `[short-write]` at the start, in the middle or at the end of a // comment. A text mentions
it as inline code, `` `[short-write]` ``.

A transcript is a block fenced as ```console: what is typed into an interactive bash, and what comes back.

    $ build/01_basic_tcp/server &
    listening on 127.0.0.1:9527
    $ ss -tan
    State …
    …

A line that begins with "$ " is typed as it is; when it ends in a backslash, the next line belongs to it. The
lines up to the next command are all that the terminal shows, whoever writes it, from the moment the command
is typed: a background program's lines too. The next command is typed when bash has prompted again and these
lines, no fewer and no more, have come. `…` stands for anything within a line, a line of `…` alone for any
number of lines; blanks compare as one; what bash says of its jobs, "[1] 4711", is left out.
"""

import difflib
import fcntl
import functools
import os
import re
import selectors
import signal
import struct
import subprocess
import tempfile
import termios
import textwrap
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from process import members

LEAD = re.compile(r"\[`[^`]+`\]\(([^)]+)\) `\[([a-z][a-z0-9_-]*)\]`")
MENTION = re.compile(r"`\[([a-z][a-z0-9_-]*)\]`")
TAG = re.compile(r"(?<= )\[([a-z][a-z0-9_-]*)\](?= |$)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
MARKER = re.compile(r"<!--.*?-->", re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
BUILD = re.compile(r"// Build: (g\+\+ -std=c\+\+20 .*-o (\S+))")
JOB_NOTICE = re.compile(r"\[\d+\](?: \d+| {3}[A-Z].*|[-+] {2}[A-Z].*)\n")
SAME = ("console", "cpp", "c", "mermaid", "sh")  # blocks that a translation leaves as they are
SECTIONS = ("The picture", "The calls", "The code", "Try it", "Traps", "Exercises", "In the lecture notes")


# ---- a text and its parts


@dataclass(frozen=True)
class Block:
    language: str
    lines: tuple
    lead: str  # the last line before the fence that is not empty
    at: int  # the line number of the fence


class Text:
    """A README taken apart: its headings as (level, title), its fenced blocks, and its prose."""

    def __init__(self, path, source=None):
        self.path = Path(path)
        self.headings, self.blocks, prose = [], [], []
        fence, lead = None, ""
        for number, line in enumerate((source or self.path.read_text()).splitlines(), 1):
            if fence and line != "```":
                fence[1].append(line)
            elif fence:
                self.blocks.append(Block(fence[0], tuple(fence[1]), lead, fence[2]))
                fence = None
            elif line.startswith("```"):
                fence = line[3:], [], number
            else:
                prose.append(line)
                lead = line.strip() or lead
                heading = re.fullmatch(r"(#+) (.*)", line)
                if heading:
                    self.headings.append((len(heading[1]), heading[2]))
        if fence:
            raise ValueError(f"{self.path}: the block that begins in line {fence[2]} does not end")
        self.prose = "\n".join(prose)

    def of(self, language):
        return [block for block in self.blocks if block.language == language]

    @property
    def mentions(self):
        """The tags that the prose names, in their order."""
        return MENTION.findall(self.prose)

    @property
    def tables(self):
        """How many rows each table has."""
        runs = re.findall(r"(?:^\|.*\n?)+", self.prose, re.MULTILINE)
        return [len(run.strip().splitlines()) for run in runs]


def tags_in(source):
    """{tag: the indexes of the lines that bear it} in the text of a source file."""
    found = {}
    for index, line in enumerate(source.splitlines()):
        _, slashes, comment = line.partition("//")
        for tag in TAG.findall(comment) if slashes else []:
            found.setdefault(tag, []).append(index)
    return found


def sources(folder):
    """The source files in `folder`."""
    return sorted(path for path in Path(folder).iterdir() if path.suffix in (".cpp", ".h"))


# ---- the code that a text quotes


def quotation_complaints(text):
    """Each ```cpp block stands verbatim in the file that its lead names, at the tag that its lead names."""
    complaints = []
    for block in text.of("cpp"):
        where = f"{text.path}:{block.at}"
        lead = LEAD.fullmatch(block.lead)
        if not lead:
            complaints.append(f"{where}: no line before it says where this code stands, but {block.lead!r}")
            continue
        file, tag = text.path.parent / lead[1], lead[2]
        if not file.is_file():
            complaints.append(f"{where}: there is no {lead[1]}")
            continue
        source = file.read_text()
        bearers = tags_in(source).get(tag)
        if not bearers:
            complaints.append(f"{where}: {lead[1]} has no tag [{tag}]")
            continue
        if not block.lines:
            complaints.append(f"{where}: quotes nothing")
            continue
        difference = min((differences(source, block.lines, bearer) for bearer in bearers), key=len)
        if difference:
            complaints.append("\n".join([f"{where}: not what stands in {lead[1]} at [{tag}]", *difference]))
    return complaints


def differences(source, quoted, bearer):
    """What keeps `quoted` from being a run of lines of `source` that holds line `bearer` or begins after it: a
    diff against the likeliest run, or nothing."""
    lines, size = source.splitlines(), len(quoted)
    runs = [lines[start:start + size] for start in range(max(0, bearer - size + 1), bearer + 2)]
    wanted = unindented(quoted)
    best = max(map(unindented, runs), key=lambda run: difflib.SequenceMatcher(None, run, wanted).ratio())
    return list(difflib.unified_diff(best, wanted, "the source", "the text", lineterm=""))


def unindented(lines):
    return textwrap.dedent("\n".join(lines)).splitlines()


def tag_complaints(text, own_sources, other_sources=()):
    """A text mentions every tag of its own sources, and none that neither these bear nor the others that it may
    speak of."""
    own = {tag: path.name for path in own_sources for tag in tags_in(path.read_text())}
    shared = {tag for path in other_sources for tag in tags_in(path.read_text())}
    mentioned = set(text.mentions)
    return ([f"{text.path}: no source bears [{tag}]" for tag in sorted(mentioned - set(own) - shared)] +
            [f"{text.path}: never mentions [{tag}] of {own[tag]}" for tag in sorted(set(own) - mentioned)])


def build_line(source):
    """The command in the header comment that builds the program, and the name that it builds; None without."""
    header = source.split("\n\n")[0]
    found = [BUILD.fullmatch(line) for line in header.splitlines()]
    return next(((line[1], line[2]) for line in found if line), None)


# ---- the form of a text, its links, and its translation


def section_complaints(text):
    """A chapter's text has its sections, in their order."""
    found = tuple(title for level, title in text.headings if level == 2)
    return [] if found == SECTIONS else [f"{text.path}: the sections are {found}, not {SECTIONS}"]


def link_complaints(text):
    """What a text links to within the project exists."""
    links = [link for link in LINK.findall(text.prose) if not re.match(r"[a-z]+:|#", link)]
    return [f"{text.path}: there is no {link}" for link in links
            if not (text.path.parent / unquote(link.partition("#")[0])).exists()]


def translation_complaints(text, translation):
    """Both have the same headings, tables, tags, inline code, pictures, markers and blocks; what a diagram or the
    comment of a command says may differ, not what it shows or does."""
    pairs = {
        "heading levels": ([level for level, _ in of.headings] for of in (text, translation)),
        "table rows": (of.tables for of in (text, translation)),
        "tags": (sorted(of.mentions) for of in (text, translation)),
        "pictures": (IMAGE.findall(of.prose) for of in (text, translation)),
        "quoted places": ([block.lead for block in of.of("cpp")] for of in (text, translation)),
    }
    complaints = [f"{translation.path}: {what} are {there}, and {here} in {text.path.name}"
                  for what, (here, there) in pairs.items() if here != there]
    codes = ({" ".join(code.split()) for code in INLINE.findall(of.prose)} for of in (text, translation))
    markers = (MARKER.findall(of.prose) for of in (text, translation))
    complaints += [f"{translation.path}: not in both, or not as often: {what}"
                   for what in strays(*map(Counter, codes)) + strays(*map(Counter, markers))]
    if [block.language for block in text.blocks] != [block.language for block in translation.blocks]:
        return complaints + [f"{translation.path}: not the same kinds of blocks in the same order as {text.path.name}"]
    for ours, theirs in zip(text.blocks, translation.blocks):
        if ours.language in SAME and shape(ours) != shape(theirs):
            difference = difflib.unified_diff(shape(ours), shape(theirs), text.path.name, translation.path.name,
                                              lineterm="")
            complaints.append("\n".join([f"{translation.path}:{theirs.at}: not the same block", *difference]))
    return complaints


def strays(here, there):
    """What is counted otherwise in one place than in the other."""
    return sorted((here - there) + (there - here))


def shape(block):
    """The lines of a block; of a diagram without its words, which are quoted, or follow a colon or an "as"; of commands
    without their comments."""
    if block.language == "sh":
        return [re.sub(r"\s+#.*", "", line) for line in block.lines]
    if block.language != "mermaid":
        return list(block.lines)
    return [re.sub(r"\s*(:| as ).*", "", re.sub(r'"[^"]*"', '""', line)) for line in block.lines]


# ---- transcripts


@dataclass(frozen=True)
class Step:
    typed: tuple  # the lines of one command, without the "$ "
    shown: tuple  # the lines that the terminal shows for it


def steps_of(block):
    """The commands of a transcript and what they show. Raises ValueError when it does not begin with one."""
    if not block.lines or not block.lines[0].startswith("$ "):
        raise ValueError(f"line {block.at}: a transcript begins with a command")
    steps, continued = [], False
    for line in block.lines:
        if continued:
            steps[-1][0].append(line)
        elif line.startswith("$ "):
            steps.append(([line[2:]], []))
        else:
            steps[-1][1].append(line)
        continued = (continued or line.startswith("$ ")) and line.endswith("\\")
    return [Step(tuple(typed), tuple(shown)) for typed, shown in steps]


def blanks(line):
    return re.sub(r"[ \t]+", " ", line).rstrip()


def matches(shown, got):
    """Whether the lines `got` are what the lines `shown` stand for."""
    pattern = ""
    for line in shown:
        within = "[^\n]*".join(re.escape(part) for part in blanks(line).split("…"))
        pattern += "(?:[^\n]*\n)*" if line == "…" else within + "\n"
    return bool(re.fullmatch(pattern, "".join(blanks(line) + "\n" for line in got)))


def as_expected(shown, got):
    """`got`, with each line that one of `shown` stands for written as it is there: what is left differs."""
    return [next((line for line in shown if line != "…" and matches([line], [came])), came) for came in got]


class Shell:
    """An interactive bash at a terminal of its own: it leads a session, and where that may be made it lives in a
    network of its own, with nothing but a loopback interface. Use as a context manager."""

    PROMPT = "\x1eprompt\x1e"

    def __init__(self, folder):
        self.terminal, theirs = os.openpty()
        settings = termios.tcgetattr(theirs)
        settings[1] &= ~termios.OPOST  # a line ends in \n alone
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LD_"))}
        environment.update(LANG="C.UTF-8", TERM="dumb", PS1=self.PROMPT, PS2="", HISTFILE="")
        self.lock = None if network() else open(lock_file(), "w")
        if self.lock:
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.bash = subprocess.Popen(
            ["setsid", "--ctty", *network(), "bash", "--norc", "--noprofile", "--noediting", "-i"],
            cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.bytes = b""  # what the terminal has shown since the last command was typed, prompts among it
        self.wait(self.prompted, 10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        while left := [pid for pid, state in members(self.bash.pid).items() if state not in "ZX"]:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.bash.wait()
        os.close(self.terminal)
        if self.lock:
            self.lock.close()

    def wait(self, condition, seconds):
        """Reads what the terminal shows until `condition()` is true. False when it is not in time."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.terminal, selectors.EVENT_READ)
            while not condition():
                if not selector.select(max(0, deadline - time.monotonic())):
                    return False
                try:
                    self.bytes += os.read(self.terminal, 65536)
                except OSError:  # bash has ended
                    return condition()
        return True

    def type(self, lines):
        self.bytes = b""
        os.write(self.terminal, "".join(line + "\n" for line in lines).encode())

    def prompted(self):
        """Whether bash has said that it wants another command."""
        return self.PROMPT.encode() in self.bytes

    def at_line_end(self):
        """Whether no line stands half on the terminal, which a terminal may hand over in two pieces."""
        return self.bytes.endswith((b"\n", self.PROMPT.encode()))

    @property
    def shown(self):
        """The lines that the terminal has shown since the last command was typed."""
        said = JOB_NOTICE.sub("", self.bytes.decode(errors="replace").replace(self.PROMPT, ""))
        return said.removesuffix("\n").split("\n") if said else []


def lock_file():
    """Where no network of its own may be made, who holds this has the machine's."""
    return Path(tempfile.gettempdir(), f"transcripts-{os.getuid()}.lock")


def works(command):
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


@functools.cache
def network():
    """The words before a command that give it a network of its own; none where that may not be done."""
    for unshare in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        words = [*unshare, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        if works([*words, "true"]):
            return words
    return []


@functools.cache
def may_trace():
    """Whether strace is there and may do its work."""
    return works(["strace", "-o", os.devnull, "true"])


@functools.cache
def may_filter():
    """Whether nftables is there and the kernel takes a rule that drops at random."""
    rule = "add table ip t; add chain ip t c; add rule ip t c numgen random mod 100 < 30 drop"
    return bool(network()) and works([*network(), "nft", rule])


def obstacle(block):
    """What keeps a transcript from being typed here, or nothing."""
    typed = "\n".join(line for step in steps_of(block) for line in step.typed)
    if re.search(r"\bstrace\b|/lab check ", typed) and not may_trace():
        return "strace may not trace here"
    if "/usr/sbin/haproxy" in typed and not Path("/usr/sbin/haproxy").exists():
        return "HAProxy is not installed"
    if re.search(r"\bnft\b", typed) and not may_filter():
        return "nftables is not here, or may not drop at random"
    if re.search(r"\bss -|/proc/net\b|\bnc .*-p |/lab check ", typed) and not network():
        return "it wants a network of its own, and no namespace may be made here"
    return ""


def workplace(folder, root, build):
    """Makes `folder` look like the project's root: a link to all that is there, and `build` to that build."""
    for entry in Path(root).iterdir():
        if not entry.name.startswith((".", "build")):
            Path(folder, entry.name).symlink_to(entry)
    Path(folder, "build").symlink_to(build)


def transcript_complaints(block, folder, patience=10, limit=60):
    """Types the commands of a transcript, in `folder`. A command may run for `limit` seconds; what it has to show
    must have come `patience` seconds later."""
    expected, got = [], []
    with Shell(folder) as shell:
        for step in steps_of(block):
            typed = ["$ " + step.typed[0], *step.typed[1:]]
            expected += [*typed, *step.shown]
            shell.type(step.typed)
            ended = shell.wait(shell.prompted, limit)
            if ended and shell.wait(lambda: shell.at_line_end() and matches(step.shown, shell.shown), patience):
                got += [*typed, *step.shown]
                continue
            got += [*typed, *as_expected(step.shown, shell.shown)]
            got += [] if ended else [f"[still running after {limit} s]"]
            return list(difflib.unified_diff(expected, got, "the text", "the terminal", n=1000, lineterm=""))
    return []
