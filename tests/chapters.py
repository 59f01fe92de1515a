"""The table of chapters: what each one builds, listens on, descends from and must be able to do.

A new chapter is one row here, its folder, and whatever is special to it. The capabilities name the groups
of checks in contract.py and clients.py that apply.
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Chapter:
    name: str  # the folder, and the build target
    model: str  # one server's architecture, in a few words
    model_zh: str
    idea: str  # the one new thing in it
    idea_zh: str
    port: int  # unless told otherwise; 0 where the address has none
    capabilities: frozenset  # of its server: groups of contract checks
    client_capabilities: frozenset = frozenset({"client"})
    parent: str = ""  # the chapter whose pair this one changed
    expected_failures: frozenset = frozenset()  # checks its model must fail: the reason for the next chapter
    threaded: tuple = ()  # those of its programs that have threads: judged under ThreadSanitizer too
    transport: str = "tcp"  # or "unix"; a group of checks too, those about such addresses
    pairs: tuple = (("server", "client"),)  # the programs; the last pair is what children descend from
    beside: tuple = ()  # programs of no pair that are judged too
    variants: tuple = ()  # words with which the contract judges the first pair's server once more

    @property
    def number(self):
        return self.name[:2]

    @property
    def servers(self):
        return [server for server, _ in self.pairs]

    @property
    def judged(self):
        """The programs that checks judge; what else there is of a chapter is for its text."""
        return [*(program for pair in self.pairs for program in pair), *self.beside]

    @property
    def path(self):
        return ROOT / self.name


# The groups of the contract; a chapter's row adds them up.
STREAM = frozenset({"stream"})  # every server that speaks TCP or a stream on a path
CONCURRENT = STREAM | {"concurrent"}  # a client that is silent or does not read holds up nobody
SCALING = CONCURRENT | {"descriptors", "thousand"}  # out of descriptors; 1,000 connections at once
LOOP = SCALING | {"loop"}  # one thread for all: fair to each, a bounded memory for each
MANY = LOOP | {"ten-thousand"}
REACTOR = MANY | {"graceful", "idle"}  # a stop that sends what is owed; idle connections are closed

CHAPTERS = (
    Chapter(
        name="01_basic_tcp",
        model="one client after another",
        model_zh="一个客户端接一个客户端",
        idea="socket, bind, listen, accept; byte order; addresses",
        idea_zh="socket、bind、listen、accept；字节序；地址",
        port=9527,
        capabilities=STREAM,
        expected_failures=frozenset({"silent-client", "peer-not-reading"}),
        pairs=(("server", "client"), ("server_wrapped", "client_wrapped")),
    ),
    Chapter(
        name="02_fork_server",
        model="a process per client",
        model_zh="每个客户端一个进程",
        idea="a process per connection; reaping",
        idea_zh="每个连接一个进程；回收子进程",
        port=9999,
        parent="01_basic_tcp",
        capabilities=CONCURRENT | {"processes", "no-worker"},
        client_capabilities=frozenset({"client", "duplex"}),
    ),
    Chapter(
        name="03_thread_server",
        model="a thread per client",
        model_zh="每个客户端一个线程",
        idea="a thread per connection; who owns the descriptor",
        idea_zh="每个连接一个线程；描述符归谁所有",
        port=9999,
        parent="02_fork_server",
        threaded=("server", "client"),
        capabilities=SCALING | {"no-worker"},
        client_capabilities=frozenset({"client", "duplex"}),
    ),
    Chapter(
        name="04_select",
        model="one thread, select",
        model_zh="一个线程，select",
        idea="one thread waits for many; non-blocking; pending output",
        idea_zh="一个线程等待许多连接；非阻塞；待发数据",
        port=9999,
        parent="01_basic_tcp",
        capabilities=LOOP | {"wall"},
        client_capabilities=frozenset({"client", "duplex"}),
    ),
    Chapter(
        name="05_poll",
        model="one thread, poll",
        model_zh="一个线程，poll",
        idea="an array instead of bitmaps; no 1024",
        idea_zh="用数组代替位图；没有 1024 的上限",
        port=9999,
        parent="04_select",
        capabilities=MANY,
        client_capabilities=frozenset({"client", "duplex"}),
    ),
    Chapter(
        name="06_epoll",
        model="one thread, epoll",
        model_zh="一个线程，epoll",
        idea="the interest set lives in the kernel; level and edge",
        idea_zh="关注集合放在内核里；水平触发与边沿触发",
        port=9999,
        parent="05_poll",
        capabilities=MANY,
        client_capabilities=frozenset({"client", "duplex"}),
        variants=("--trigger edge",),
    ),
    Chapter(
        name="07_reactor",
        model="one loop, callbacks",
        model_zh="事件循环加回调",
        idea="callbacks, an event loop, timers, idle timeout, graceful stop",
        idea_zh="回调、事件循环、定时器、空闲超时、优雅退出",
        port=8080,
        parent="06_epoll",
        capabilities=REACTOR,
        client_capabilities=frozenset({"client", "duplex"}),
    ),
    Chapter(
        name="08_threadpool",
        model="a loop and workers",
        model_zh="事件循环加线程池",
        idea="a bounded queue, min/max workers, a manager",
        idea_zh="有界队列、最少与最多的工作线程、管理者",
        port=9999,
        parent="07_reactor",
        threaded=("server",),
        capabilities=REACTOR | {"pool"},
        client_capabilities=frozenset({"client", "duplex", "in-flight"}),
    ),
    Chapter(
        name="09_udp",
        model="a datagram at a time",
        model_zh="一个套接字，一次一个数据报",
        idea="datagrams: no connection, no order, no promise",
        idea_zh="数据报：没有连接，没有顺序，没有保证",
        port=8000,
        parent="01_basic_tcp",
        transport="udp",
        capabilities=frozenset({"datagram"}),
        client_capabilities=frozenset({"datagram-client"}),
    ),
    Chapter(
        name="10_unix_socket",
        model="a thread each, a path",
        model_zh="每个客户端一个线程，地址是路径",
        idea="a path as the address; credentials",
        idea_zh="用路径作地址；对端的身份",
        port=0,
        parent="03_thread_server",
        threaded=("server", "client"),
        transport="unix",
        capabilities=SCALING | {"no-worker"},
        client_capabilities=frozenset({"client", "duplex"}),
        variants=("--path @{name}",),
        beside=("pass_descriptor",),
    ),
    Chapter(
        name="11_http",
        model="HTTP on the event loop",
        model_zh="事件循环上的 HTTP",
        idea="a protocol on the reactor: requests, answers, files",
        idea_zh="reactor 上的协议：请求、应答、文件",
        port=9999,
        parent="07_reactor",
        transport="http",
        capabilities=REACTOR | {"tcp"},
        client_capabilities=frozenset({"http-client"}),
    ),
    Chapter(
        name="12_libevent",
        model="one thread, libevent",
        model_zh="一个线程，libevent",
        idea="the same reactor from a library: event_base, listener, bufferevent",
        idea_zh="同样的 reactor，由库提供：event_base、监听器、bufferevent",
        port=9999,
        parent="07_reactor",
        capabilities=REACTOR | {"libevent"},
        client_capabilities=frozenset({"client", "duplex", "libevent"}),
    ),
)


def candidates(words):
    """The chapters that `words` may mean: a number with or without the zero, a name, or a part of one."""
    wanted = words.strip().rstrip("/").lower()
    exact = [c for c in CHAPTERS if wanted in (c.name, c.number, c.number.lstrip("0"))]
    return exact or [c for c in CHAPTERS if wanted and wanted in c.name]


def find(words):
    """The one chapter that `words` means. Raises ValueError when there are none, or several."""
    [found] = candidates(words)
    return found
