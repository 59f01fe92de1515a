"""The other end of a connection, as the tests play it: patient up to a deadline, and exact.

Every wait has the peer's patience as its bound, counted anew whenever something moves; running out of it
raises Failed, which says what was awaited.
"""

import contextlib
import fcntl
import os
import select
import selectors
import socket
import struct
import termios
import time

from check import Failed, expect_bytes, show
from journal import journal


def upper(data):
    """What a right server answers: ASCII a-z change, every other byte stays. bytes.upper() is just that."""
    return bytes(data).upper()


ALPHABET = b"abcdefghijklmnopqrstuvwxyz"
FLOOD = ALPHABET * 4096


def flooded(size):
    """The answer to the first `size` bytes of a flood."""
    return upper((ALPHABET * (size // len(ALPHABET) + 1))[:size])


def name_of(address):
    """What our programs call an address: (host, port), or a path."""
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"


def socket_address(path):
    """What bind and connect take for a path; "@name" is abstract."""
    return "\0" + path[1:] if path.startswith("@") else path


@contextlib.contextmanager
def unless_it_has_left():
    """A connection that was reset takes no more, not even an end of file."""
    try:
        yield
    except OSError as error:
        raise Failed(f"the connection was reset before the client had ended its side: {error.strerror}") from None


class Peer:
    """A client's socket, connected to a (host, port) or a path. Use as a context manager, or close().
    `name` is what our servers call it."""

    who = "the other end"  # in the journal
    unsent = 0  # bytes that were sent, and that the kernel has not taken

    def __init__(self, address, patience=4.0, small_buffers=False):
        self.patience = patience
        self.who = journal.client()
        self.on_path = isinstance(address, str)
        if self.on_path:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        if small_buffers and self.on_path:  # what waits for its reader counts as its sender's
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        elif small_buffers:  # before connect: the window is announced with the SYN, and so is the segment size, after
            # which the server's kernel sizes its own buffer: 536 bytes instead of loopback's 64 KiB
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.socket.settimeout(patience)
        self.notes("connects" + (", with a small receive buffer" if small_buffers else ""))
        try:
            self.socket.connect(socket_address(address) if self.on_path else address)
        except OSError as error:
            self.socket.close()
            raise Failed(f"cannot connect to {name_of(address)}: {error}") from None
        if self.on_path:
            self.name = f"pid {os.getpid()}, uid {os.getuid()} (unnamed)"
        else:
            self.name = name_of(self.socket.getsockname())
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def notes(self, does, data=b""):
        journal.step(self.who, does, data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def send(self, data):
        self.notes("sends", data)
        try:
            self.socket.sendall(data)
        except socket.timeout:
            raise Failed(f"the server takes no more input: stuck for {self.patience:g} s in {show(data)}") from None
        except OSError as error:
            raise Failed(f"sending {show(data)}: {error.strerror}") from None

    def await_delivery(self):
        """Waits until all that was sent is on the server's side, whether the server reads it or not. tcp(7), SIOCOUTQ"""
        deadline = time.monotonic() + self.patience
        while left := struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))[0]:
            if time.monotonic() > deadline:
                raise Failed(f"{left} bytes do not reach the server in {self.patience:g} s")
            time.sleep(0.001)

    def has_news(self):
        """Whether there is something to read: an answer, or an end."""
        waiter = select.poll()
        waiter.register(self.socket, select.POLLIN)
        return bool(waiter.poll(0))

    def receive(self, size):
        """Exactly `size` bytes."""
        self.notes(f"waits for {size} bytes")
        got = bytearray()
        while len(got) < size:
            try:
                piece = self.socket.recv(size - len(got))
            except socket.timeout:
                raise Failed(f"no answer for {self.patience:g} s: {size} bytes expected, got {show(got)}") from None
            except OSError as error:
                raise Failed(f"{error.strerror}: {size} bytes expected, got {show(got)}") from None
            if not piece:
                raise Failed(f"the server closed: {size} bytes expected, got {show(got)}")
            got += piece
        return bytes(got)

    def receive_to_end(self):
        """All that comes before the server's end of file."""
        self.notes("reads to the end of file")
        got = bytearray()
        while True:
            try:
                piece = self.socket.recv(65536)
            except socket.timeout:
                raise Failed(f"no end of file for {self.patience:g} s, after {show(got)}") from None
            except OSError as error:
                raise Failed(f"{error.strerror} where the end of file was expected, after {show(got)}") from None
            if not piece:
                return bytes(got)
            got += piece

    def ask(self, data):
        """Sends `data` and holds the answer against it."""
        self.send(data)
        expect_bytes(self.receive(len(data)), upper(data))

    def send_and_end(self, data):
        """The data and the end of file in one packet."""
        self.notes("sends, with the end of file in the same packet,", data)
        with unless_it_has_left():
            self.socket.send(data, socket.MSG_MORE)
            self.socket.shutdown(socket.SHUT_WR)

    def end(self):
        """Shuts the write side: the server reads the end of file."""
        self.notes("ends its side: shutdown(SHUT_WR)")
        with unless_it_has_left():
            self.socket.shutdown(socket.SHUT_WR)

    def expect_end(self):
        """The server's end of file, and not a byte before it."""
        self.notes("waits for the end of file")
        try:
            extra = self.socket.recv(4096)
        except socket.timeout:
            raise Failed(f"the server does not close: no end of file for {self.patience:g} s") from None
        except OSError as error:
            raise Failed(f"{error.strerror} where the end of file was expected") from None
        if extra:
            raise Failed(f"more came back than was sent: {show(extra)}")

    def expect_refusal(self, said=b""):
        """The connection ends without an answer to what was `said`: end of file or a reset."""
        self.notes("has to be refused, whatever it says:", said)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have ended already
            self.socket.sendall(said)
        try:
            answer = self.socket.recv(4096)
        except socket.timeout:
            raise Failed(f"neither answered nor refused for {self.patience:g} s") from None
        except ConnectionResetError:
            return
        if answer:
            raise Failed(f"answered, where it could not be: {show(answer)}")

    def exchange(self, data, pause=lambda received: 0, end=True):
        """Sends and receives `data` at the same time, each byte compared as it comes, then (with `end`) the ends of
        file both ways. `pause(received)` says for how many seconds not to read yet; sending goes on meanwhile."""
        self.notes(f"sends {len(data)} bytes, and reads the answers meanwhile")
        data = memoryview(data)
        sent = received = 0
        self.socket.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            while received < len(data):
                wait = pause(received)
                wanted = selectors.EVENT_WRITE * (sent < len(data)) | selectors.EVENT_READ * (wait <= 0)
                if not wanted:
                    time.sleep(wait)
                    continue
                selector.modify(self.socket, wanted)
                ready = selector.select(self.patience if wait <= 0 else min(wait, self.patience))
                if not ready and wait <= 0:
                    raise Failed(f"stuck for {self.patience:g} s: {sent} of {len(data)} bytes sent, "
                                 f"{received} came back")
                events = ready[0][1] if ready else 0
                if events & selectors.EVENT_WRITE:
                    sent += self._some(lambda: self.socket.send(data[sent:sent + 262144]), sent, received)
                    if sent == len(data) and end:
                        self.end()
                if events & selectors.EVENT_READ:
                    piece = self._some(lambda: self.socket.recv(262144), sent, received)
                    if not piece:
                        raise Failed(f"the server closed after {received} of {len(data)} bytes")
                    expect_bytes(piece, upper(data[received:received + len(piece)]),
                                 f"the answer (at byte {received})")
                    received += len(piece)
        self.socket.settimeout(self.patience)
        if end:
            self.expect_end()

    def _some(self, call, sent, received):
        try:
            return call()
        except OSError as error:
            raise Failed(f"{error.strerror} after {sent} bytes sent and {received} received") from None

    def flood(self, limit, stall=0.3, asleep=lambda: True):
        """Sends without reading until the server has taken nothing for `stall` seconds, or `limit` bytes are out.
        Returns how many went; flooded() is their answer. A server that is not `asleep` by then only waits for a core,
        and has up to our patience to take more."""
        sent, deadline = 0, time.monotonic() + self.patience
        self.socket.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_WRITE)
            while sent < limit:
                if selector.select(stall):
                    piece = FLOOD[sent % len(ALPHABET):][:limit - sent]
                    sent += self._some(lambda: self.socket.send(piece), sent, 0)
                elif asleep() or time.monotonic() > deadline:
                    break
        self.socket.settimeout(self.patience)
        self.notes(f"sends without reading, until the server takes no more: {sent} bytes")
        return sent

    def reset(self):
        """Ends the connection with a RST: what close does when the linger time is zero. socket(7)
        On a path it does so when something was left unread."""
        self.notes("resets its connection")
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        if self.socket.fileno() != -1:
            self.notes("closes its connection")
        self.socket.close()


def socket_in_kernel(local_port, remote_port):
    """What /proc/net/tcp says of the socket `local_port` -> `remote_port`, as words; None when there is none."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue
        with open(table) as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                ports = tuple(int(end.rpartition(":")[2], 16) for end in fields[1:3])
                if ports == (local_port, remote_port):
                    return fields
    return None


def state_in_kernel(local_port, remote_port):
    """The TCP state of the socket `local_port` -> `remote_port`: 1 established, 6 TIME_WAIT, 8 CLOSE_WAIT,
    10 listening; None when there is no such socket."""
    fields = socket_in_kernel(local_port, remote_port)
    return int(fields[3], 16) if fields else None


def queues_in_kernel(local_port, remote_port):
    """Of the socket `local_port` -> `remote_port`: how many bytes its other end has not acknowledged, and how many
    have come and have not been read."""
    fields = socket_in_kernel(local_port, remote_port)
    return [int(size, 16) for size in fields[4].split(":")] if fields else [0, 0]


def kernel_counter(table, group, name):
    """What the kernel has counted since it began: netstat(8) -s."""
    with open(f"/proc/net/{table}") as lines:
        names, numbers = [line.split() for line in lines if line.startswith(f"{group}:")]
    return int(dict(zip(names, numbers))[name])


def time_waits_dropped():
    """How many connections the kernel has forgotten at once instead of keeping them in TIME_WAIT."""
    return kernel_counter("netstat", "TcpExt", "TCPTimeWaitOverflow")


def segments_sent_again():
    """How many segments were sent a second time, since nothing answered the first one for 200 ms: on loopback, since
    the machine was too busy."""
    return kernel_counter("snmp", "Tcp", "RetransSegs")


def quiet_port():
    """A free TCP port below the kernel's ephemeral range, so that no client's own port can take it meanwhile."""
    low = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
    start = 10000 + (os.getpid() * 37 + time.monotonic_ns() // 1000) % (low - 10000)
    for port in [*range(start, low), *range(10000, start)]:
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port below the ephemeral range")
