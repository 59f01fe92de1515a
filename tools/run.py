"""./lab run [CHAPTER [FILE]]: every server answers its client, and both sides are shown; or a file goes through."""

import contextlib
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import packages
from build import build
from chapters import Chapter
from check import Failed
from common import BUILD, CHAPTERS, USAGE, Trouble, find_chapter
from process import Server, wait_until
from words import _, translated

TEXT = "Hello, 世界\n"  # only a to z change
PATIENCE = 10  # seconds for a client and its short text


@dataclass
class Conversation:
    """What a client and its server said to each other, or why they did not."""

    chapter: Chapter
    server_command: str = "server"  # as it was started
    client_command: str = "client"
    reply: str = ""
    seconds: float = 0
    server_says: str = ""
    client_says: str = ""  # on stderr
    failure: str = ""

    @property
    def is_right(self):
        return not self.failure and self.reply.encode() == TEXT.encode().upper()

    @property
    def verdict(self):
        return self.failure or (_("right") if self.is_right else _("wrong"))


@contextlib.contextmanager
def running_server(chapter, folder, *options):
    with tempfile.TemporaryDirectory(prefix="lab-") as own:
        path = str(Path(own, "serv.socket")) if chapter.transport == "unix" else ""
        where = ("--path", path) if path else ("--port", "0")
        server = Server([folder / chapter.name / "server", *where, *options], path=path)
        try:
            yield server
            server.stop()
        finally:
            server.kill()


def client_command(chapter, folder, server):
    if chapter.transport == "http":
        host, port = server.address
        return [str(folder / chapter.name / "client"), "--post", "-", f"http://{host}:{port}/upper"]
    where = ("--path", server.path) if server.path else ("--port", str(server.address[1]))
    return [str(folder / chapter.name / "client"), *where]


def shown(command):
    return " ".join([Path(command[0]).name, *command[1:]])


def all_closed(server):
    return server.log.count(" connected\n") == server.log.count(" closed\n")


def converse(chapter, folder=BUILD):
    """One client's short text, its reply, and what the server logged of it."""
    told = Conversation(chapter)
    try:
        with running_server(chapter, folder, "--verbose") as server:
            command = client_command(chapter, folder, server)
            told.server_command, told.client_command = shown(server.command), shown(command)
            begin = time.monotonic()
            client = subprocess.run(command, input=TEXT.encode(), capture_output=True, timeout=PATIENCE)
            told.seconds = time.monotonic() - begin
            with contextlib.suppress(Failed):  # it may log the end after the client has seen it
                wait_until(lambda: all_closed(server), 0.5, "")
            told.reply = client.stdout.decode(errors="replace")
            told.client_says = client.stderr.decode(errors="replace")
            told.server_says = server.output + server.more_output() + server.log
            if client.returncode != 0:
                told.failure = _("client: exit {code}", code=client.returncode)
    except subprocess.TimeoutExpired:
        told.failure = _("no end after {seconds} s", seconds=PATIENCE)
    except (Failed, OSError) as failure:
        told.failure = _("server: {failure}", failure=translated(str(failure)))
    return told


def run_all(chapters, folder=BUILD):
    import show  # needs python3-rich, which may have been installed only now

    told = []
    for chapter in chapters:
        told.append(converse(chapter, folder))
        show.conversation(told[-1])
    show.table(told)
    return 0 if all(conversation.is_right for conversation in told) else 1


def opened(name):
    """What goes to the client: an open file, or None for our own stdin."""
    try:
        return None if name == "-" else open(name, "rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise Trouble(_("cannot read '{name}': {reason}", name=name, reason=reason)) from None


def run_with(chapter, name, folder=BUILD):
    """The client reads the file and writes the reply itself: nothing stands between it and our stdout."""
    file = opened(name)
    build([chapter.name])
    try:
        with running_server(chapter, folder) as server:
            return subprocess.run(client_command(chapter, folder, server), stdin=file).returncode
    except Failed as failure:
        raise Trouble(_("{what}: {reason}", what=chapter.name, reason=translated(str(failure)))) from None


def main(words):
    if len(words) > 2:
        raise Trouble(_("run takes a chapter and a file; what is '{word}'?", word=words[2]), USAGE)
    wanted = [find_chapter(words[0])] if words else list(CHAPTERS)
    packages.require("core")
    if len(words) == 2:
        return run_with(wanted[0], words[1])
    build([chapter.name for chapter in wanted])
    return run_all(wanted)
