"""Who is measured: the chapters' servers, the bare loop, and what a user would otherwise pick. Where each is found,
what it cannot do, and how it is started."""

import contextlib
import http.client
import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from chapters import find
from check import Failed
from process import Process, Server, wait_until
from words import _, kept

PATIENCE = 5.0  # seconds until a server must be ready
PAGE_SIZE = 1024  # bytes of the file that the HTTP servers are asked for, unless told otherwise
NO_LIMIT = 10**6
MANY = 4000  # processes or threads that one server may have here


@dataclass(frozen=True)
class Contestant:
    """One server as it takes part. `name` is what a command line calls it; `words` are passed on to its program."""

    name: str
    program: str = ""  # below the build folder
    words: tuple = ()
    transport: str = "tcp"  # or unix, udp, http
    most: int = NO_LIMIT  # connections that it serves at once
    largest: int = NO_LIMIT * 10  # message that it answers

    def missing(self, build):
        """Why it cannot take part, or nothing."""
        package = PACKAGES.get(self.name)
        if self.name in CONFIGURED:
            return "" if shutil.which(self.name, path=PATH) else kept("not installed, package {package}",
                                                                      package=package)
        if (build / self.program).is_file():
            return ""
        return kept("its library is not installed, package {package}", package=package) if package \
            else kept("its program is not built")

    def refuses(self, load):
        """Why it cannot be measured under this load, or nothing."""
        connections = 1 if load.get("churn") else load["connections"] + load.get("idle", 0)
        size = load.get("size", 64)
        if self.wants_wrk(load) and not shutil.which("wrk"):
            return kept("wrk is not installed")
        if connections > self.most:
            return kept("serves {most} connections at once", most=self.most)
        return kept("answers messages of up to {most} bytes", most=self.largest) if size > self.largest else ""


    def wants_wrk(self, load):
        """Whether it is wrk that asks, and not ourselves, or bench/load."""
        return self.transport == "http" and not load.get("idle")


def chapter(words, most=NO_LIMIT):
    name, *rest = shlex.split(words)
    try:
        found = find(name)
    except ValueError:
        raise LookupError(_("'{name}' is no server, or more than one", name=name)) from None
    return Contestant(" ".join([found.name, *rest]), f"{found.name}/server", tuple(rest), found.transport, most)


PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
PACKAGES = {"nginx": "nginx-light", "lighttpd": "lighttpd", "h2o": "h2o", "libuv": "libuv1-dev",
            "asio": "libasio-dev", "libevent": "libevent-dev", "floor_libevent": "libevent-dev"}  # Debian's
STREAM = (chapter("01", 1), chapter("02", MANY), chapter("03", MANY), chapter("04", 1000), chapter("05"), chapter("06"),
          chapter("06 --trigger edge"), chapter("07"), chapter("08"), chapter("12"),
          Contestant("floor", "bench/floor", largest=16384),
          Contestant("libuv", "bench/peers/libuv"), Contestant("asio", "bench/peers/asio"))
LIBEVENT = (Contestant("libevent", "bench/peers/libevent"),
            Contestant("floor_libevent", "bench/peers/floor_libevent", largest=16384))
WORKERS = (chapter("08"), Contestant("loop_work", "bench/loop_work"))
HTTP = (chapter("11"), *(Contestant(name, transport="http") for name in ("nginx", "lighttpd", "h2o")))
DATAGRAM = (chapter("09"), Contestant("floor_udp", "bench/floor_udp", transport="udp"),
            Contestant("floor_udp --batch 16", "bench/floor_udp", ("--batch", "16"), "udp"))
PATHS = (chapter("03", MANY), chapter("10", MANY))
KNOWN = {one.name: one for one in (*STREAM, *LIBEVENT, *WORKERS, *HTTP, *DATAGRAM, *PATHS)}


def named(words, build):
    """The contestant that `words` name: one of the above, a chapter's number or name with words for its server, a peer
    that is not asked for otherwise, or the path of a program that speaks as the chapters do. Raises LookupError."""
    name, *rest = shlex.split(words) or [""]
    for program in (f"bench/{name}", f"bench/peers/{name}"):
        if words not in KNOWN and name and (build / program).is_file():
            return Contestant(words, program, tuple(rest), "udp" if name == "floor_udp" else "tcp")
    if "/" in name and Path(name).is_file():
        return Contestant(words, str(Path(name).resolve()), tuple(rest))
    found = KNOWN.get(words) or chapter(words)
    return KNOWN.get(found.name, found)


# ---- starting


@contextlib.contextmanager
def running(contestant, build, words, cores, size=PAGE_SIZE):
    """The server, ready, on these cores, with more words for it; `address` is where it listens. An HTTP server has a
    page of `size` bytes. It is no more when the block ends. Raises Failed when it does not get ready."""
    before = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.sched_setaffinity(0, cores)  # inherited, by each of its threads
        try:
            server = start(contestant, build, list(words), Path(folder), size)
        finally:
            os.sched_setaffinity(0, before)
        try:
            yield server
        finally:
            server.kill()


def start(contestant, build, words, folder, size):
    if contestant.transport == "http":
        os.chmod(folder, 0o777)  # where we are root, the server is nobody
        (folder / "page").write_bytes(page(size))
    if contestant.name in CONFIGURED:
        return Configured(contestant.name, folder, size)
    path = str(folder / "serv.socket") if contestant.transport == "unix" else ""
    where = ["--path", path] if path else ["--port", "0"]
    root = ["--root", folder] if contestant.transport == "http" else []
    server = Server([build / contestant.program, *contestant.words, *words, *where, *root], PATIENCE, path)
    if contestant.transport == "http":
        check_page(server.address[1], size)
    return server


# ---- servers that read a configuration

NGINX = """daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 16000; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 600;
  default_type text/plain; open_file_cache max=100; open_file_cache_valid 1s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}; }} }}
"""
LIGHTTPD = """server.document-root = "{folder}"
server.port = {port}
server.bind = "127.0.0.1"
server.max-fds = 20000
server.max-connections = 16000
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 600
server.listen-backlog = 4096
"""
H2O = """num-threads: 1
max-connections: 16000
http1-request-timeout: 600
listen: {{ host: 127.0.0.1, port: {port} }}
hosts: {{ default: {{ paths: {{ "/": {{ file.dir: {folder} }} }} }} }}
"""
CONFIGURED = {  # its configuration, the words that name the file to it, and those that make it tell its version
    "nginx": (NGINX, ("-e", "{folder}/errors", "-c", "{file}"), "-v"),
    "lighttpd": (LIGHTTPD, ("-D", "-f", "{file}"), "-v"),
    "h2o": (H2O, ("-c", "{file}"), "-v"),
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def page(size):
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def fetch(port):
    """The page as a server on `port` answers it; nothing while there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/page")
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        connection.close()


def check_page(port, size):
    if fetch(port) != page(size):
        raise Failed(kept("the page came back wrong"))


class Configured(Process):
    """A server of somebody else's as our own child: its configuration and all its files in `folder`, one worker, and
    where we are root, it is nobody. No service of this machine is touched."""

    def __init__(self, name, folder, size):
        template, words, _version = CONFIGURED[name]
        port = free_port()
        file = folder / "configuration"
        file.write_text(template.format(folder=folder, port=port))
        rest = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        super().__init__([shutil.which(name, path=PATH), *(word.format(folder=folder, file=file) for word in words)],
                         stdout=subprocess.DEVNULL, cwd=folder, **rest)
        self.address, self.path = ("127.0.0.1", port), ""
        try:
            wait_until(lambda: not self.alive() or fetch(port), PATIENCE, kept("not ready"))
            if not self.alive():
                raise Failed(kept("died before it was ready: {said}", said=self.log.strip()[-300:]))
            check_page(port, size)
        except BaseException:
            self.kill()
            raise


def version(name):
    """What the program says of itself, in a line."""
    ran = subprocess.run([shutil.which(name, path=PATH), CONFIGURED[name][2]], capture_output=True, text=True)
    found = re.search(r"\d+\.\d+[.\d]*", ran.stdout + ran.stderr)
    return found[0] if found else "unknown"
