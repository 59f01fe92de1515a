"""A peer that speaks HTTP: a stream that goes through POST /upper, in chunks, so that whoever plays a client of the
stream contract can play it here too.

What is sent becomes chunks of one request's body, the end of the write side its last chunk; what is received is what
the chunks of the answer hold.
"""

import errno
import select
import socket
import threading

from check import show
from peer import Peer

HEAD = b"POST /upper HTTP/1.1\r\nHost: upper\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
PIECE = 65536  # bytes of a chunk, at most


def broken(words):
    return OSError(errno.EPROTO, words)


class Decoder:
    """Takes the answer apart: its head, which must say 200 and chunked, then the chunks."""

    def __init__(self):
        self.raw = bytearray()
        self.head_seen = False
        self.left = 0  # bytes of the chunk that are to come
        self.open = False  # the chunk's own CR LF is to come
        self.last = False
        self.done = False

    def feed(self, raw):
        """The bytes of the body in what has come. Raises OSError when it is no such answer."""
        self.raw += raw
        body = bytearray()
        while self.step(body):
            pass
        return bytes(body)

    def step(self, body):
        if self.done:
            body += self.take(len(self.raw))  # what may not be there: it is for the reader to see
            return False
        if self.left:
            body += self.take(self.left)
            return not self.left
        if self.open:
            return self.line_end()
        return self.line()

    def take(self, size):
        taken = bytes(self.raw[:size])
        del self.raw[:len(taken)]
        self.left = max(0, self.left - len(taken))
        return taken

    def line_end(self):
        """The CR LF behind a chunk, and behind the last one's size."""
        if len(self.raw) < 2:
            return False
        if self.take(2) != b"\r\n":
            raise broken("a chunk does not end as its size says")
        self.open, self.done = False, self.last
        return True

    def line(self):
        """Reads the head, or a chunk's size, if it is whole."""
        mark = b"\r\n" if self.head_seen else b"\r\n\r\n"
        at = self.raw.find(mark)
        if at < 0:
            return False
        line = self.take(at + len(mark))[:at]
        if not self.head_seen:
            self.head_seen = True
            if not line.startswith(b"HTTP/1.1 200 ") or b"\r\nTransfer-Encoding: chunked" not in line:
                raise broken(f"the answer is not what was asked for: {show(line, 200)}")
            return True
        if not line or not all(digit in b"0123456789abcdef" for digit in line):
            raise broken(f"a chunk's size is {show(line)}")
        self.left, self.open = int(line, 16), True
        self.last = self.left == 0
        return True


class ChunkedSocket:
    """Stands where a connected socket stands, and is used like one."""

    def __init__(self, raw):
        self.raw = raw
        self.timeout = raw.gettimeout()
        raw.setblocking(False)  # it is waited for here
        self.unsent = bytearray(HEAD)  # of what was given to send()
        self.begun = False
        self.ended = False
        self.decoder = Decoder()
        self.ready = b""  # received, and not yet asked for
        self.lock = threading.RLock()  # one thread may send while another receives

    def __getattr__(self, name):
        return getattr(self.raw, name)

    def settimeout(self, seconds):
        self.timeout = seconds

    def setblocking(self, blocking):
        self.timeout = None if blocking else 0

    def flush(self, flags=0):
        """Sends what the kernel takes of what is unsent; True when that is all."""
        with self.lock:
            while self.unsent:
                try:
                    count = self.raw.send(self.unsent, flags)
                except BlockingIOError:
                    return False
                del self.unsent[:count]
            return True

    def wait(self, events):
        waiter = select.poll()
        waiter.register(self.raw, events)
        if not waiter.poll(self.timeout * 1000 if self.timeout else 5000):
            raise socket.timeout("timed out")

    def send(self, data, flags=0):
        """How many of the bytes were taken: all of a chunk, or none while the kernel has not taken the last one."""
        if self.begun and not self.flush():
            if self.timeout == 0:
                return 0
            self.wait(select.POLLOUT)
            return self.send(data, flags)
        piece = bytes(data[:PIECE])
        self.begun = True
        with self.lock:
            if piece:
                self.unsent += b"%x\r\n" % len(piece) + piece + b"\r\n"
            self.flush(flags)
        return len(piece)

    def sendall(self, data):
        data = memoryview(data)
        while data:
            data = data[self.send(data):]
        while not self.flush():
            self.wait(select.POLLOUT)

    def shutdown(self, how):
        """The last chunk, and then the end of file; later, if the kernel does not take it all now."""
        if how != socket.SHUT_WR:
            return self.raw.shutdown(how)
        self.unsent += b"0\r\n\r\n"
        self.ended = self.begun = True
        self.end_if_sent()

    def end_if_sent(self):
        if self.ended and self.unsent and self.flush(socket.MSG_MORE):
            self.raw.shutdown(socket.SHUT_WR)

    def recv(self, size):
        while not self.ready:
            if self.begun:
                self.end_if_sent() if self.ended else self.flush()
            try:
                raw = self.raw.recv(max(size, 4096))
            except BlockingIOError:
                self.wait(select.POLLIN | select.POLLOUT * bool(self.begun and self.unsent))
                continue
            if not raw and self.ended and not self.decoder.done:
                raise broken("the answer ends before its last chunk")
            if not raw:
                return b""
            self.ready = self.decoder.feed(raw)
        piece, self.ready = self.ready[:size], self.ready[size:]
        return piece


class HttpPeer(Peer):
    def __init__(self, *address, **rest):
        super().__init__(*address, **rest)
        self.socket = ChunkedSocket(self.socket)

    @property
    def unsent(self):
        """How many bytes the kernel has not been given."""
        return len(self.socket.unsent)
