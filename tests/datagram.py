"""The other end of a conversation in datagrams, as the tests play it, and what is judged by it: a server, or a
client of ours.

On one machine nothing is lost unless a receive buffer is full, and what one socket sends another arrives in its
order. So "there is no answer" needs no time to pass: the answer to something that is sent later comes first.
"""

import os
import re
import socket
import struct
import tempfile
import time
from pathlib import Path

from check import CannotTell, Failed, expect_bytes, show
from journal import journal
from peer import upper
from process import wait_until
from subject import ClientSubject, OwnSubject, ServerSubject, Subject

NUMBERED = re.compile(rb"(\d+) (.*)", re.DOTALL)  # what our client sends: a number, a blank, the text
SO_TIMESTAMPNS = 35  # asm-generic/socket.h: Python has no name for it
LARGEST = {socket.AF_INET: 65507, socket.AF_INET6: 65527}  # bytes of payload: 65,535 less the headers it counts


def datagram_socket(address, patience):
    made = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(patience)
    return made


class DatagramPeer:
    """A client's socket, connected: it hears only from the server, and when nobody is there. Or close() it."""

    def __init__(self, address, patience=4.0):
        self.patience = patience
        self.who = journal.client()
        self.socket = datagram_socket(address, patience)
        self.socket.connect(address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def send(self, data):
        """One datagram. Where nobody is, the kernel says so at once, on one machine."""
        journal.step(self.who, "sends" if data else "sends an empty datagram", data)
        try:
            self.socket.send(data)
        except OSError as error:
            raise Failed(f"sending {show(data)}: {error.strerror}") from None
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise Failed(f"cannot be reached: {os.strerror(error)}")

    def reaches_somebody(self):
        """Whether a socket takes what is sent to the address."""
        self.socket.send(b"is anybody there?\n")
        return not self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def receive(self):
        """The next datagram."""
        journal.step(self.who, "waits for a datagram")
        try:
            return self.socket.recv(65536)
        except socket.timeout:
            raise Failed(f"no answer for {self.patience:g} s") from None
        except OSError as error:
            raise Failed(f"{error.strerror} where an answer was expected") from None

    def ask(self, data):
        self.send(data)
        expect_bytes(self.receive(), upper(data))

    def close(self):
        self.socket.close()

    reset = close


def quiet_port():
    """A free UDP port below the kernel's ephemeral range, so that no client's own port can take it meanwhile."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    start = 10000 + (os.getpid() * 37 + time.monotonic_ns() // 1000) % (low - 10000)
    for port in [*range(start, low), *range(10000, start)]:
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port below the ephemeral range")


class DatagramSubject(OwnSubject):
    """A server that answers datagrams. The contract asks of its command line only where the port stands."""

    def __init__(self, program, words, default_port, *rest):
        ServerSubject.__init__(self, [program, *words, "--port", "{port}"], *rest)
        self.default_port = default_port

    def somewhere(self):
        return quiet_port()

    def connect(self, server):
        peer = DatagramPeer(server.address, self.patience)
        self.peers.append(peer)
        return peer

    def start_deaf(self):
        """A server whose recvfrom fails, with the datagram in its buffer, while the returned file exists; each
        failure adds a byte to it. Works on programs that call recvfrom through the C library."""
        if not self.fault_library or not Path(self.fault_library).exists():
            raise CannotTell("the library that makes recvfrom fail is not built")
        self.folders.append(tempfile.mkdtemp(prefix="deaf-"))
        switch = Path(self.folders[-1], "switch")
        return self.start(environment={"LD_PRELOAD": str(self.fault_library), "FAULT_RECVFROM": str(switch)}), switch

    def lose(self, server, switch, datagram):
        """Sends a datagram that recvfrom fails to receive, from a peer that is returned."""
        switch.touch()
        peer = self.connect(server)
        peer.send(datagram)
        try:
            wait_until(lambda: switch.stat().st_size, self.patience, "")
        except Failed:
            with DatagramPeer(server.address, self.patience) as other:
                other.ask(b"can you hear me?\n")
            raise CannotTell("the server does not call recvfrom through the C library") from None
        switch.unlink()
        return peer


class PlayedDatagramServer:
    """The server's socket, which the check plays; `name` is what the client calls the server, `came` when the last
    datagram did, by the kernel's clock and not by when we had a core to look. socket(7), SO_TIMESTAMP"""

    def __init__(self, patience):
        self.patience = patience
        self.socket = datagram_socket(("127.0.0.1",), patience)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.name = f"127.0.0.1:{self.address[1]}"
        self.peer = None

    def receive(self):
        """The next datagram's (number, text), the number as it stands there."""
        try:
            datagram, [[_, _, timespec]], _, self.peer = self.socket.recvmsg(65536, socket.CMSG_SPACE(16))
        except socket.timeout:
            raise Failed(f"nothing comes from the client for {self.patience:g} s") from None
        seconds, nanoseconds = struct.unpack("@ll", timespec)
        self.came = seconds + nanoseconds / 1e9
        found = NUMBERED.fullmatch(datagram)
        if not found:
            raise Failed(f"no number and blank stand before {show(datagram)}")
        return found[1], found[2]

    def expect(self, *texts):
        """The next datagrams, whose texts these must be. Returns the numbers."""
        numbers = []
        for text in texts:
            number, got = self.receive()
            expect_bytes(got, text, "what it sent")
            numbers.append(number)
        return numbers

    def answer(self, number, text):
        self.socket.sendto(number + b" " + text, self.peer)

    def close(self):
        self.socket.close()

    reset = close


class DatagramClientSubject(ClientSubject):
    """One of our own clients that sends datagrams, and the right server of its chapter."""

    def __init__(self, program, server, *rest):
        Subject.__init__(self, [program, "--host", "{host}", "--port", "{port}"], *rest)
        self.server = server

    def tell(self, address, *words, **rest):
        """The client, started for the server at `address` with further words."""
        plain = self.command
        self.command = [*plain, *words]
        try:
            return self.client(address, **rest)
        finally:
            self.command = plain

    def play(self, *words, **rest):
        """The client and a server, which the check plays. Nothing has been sent yet."""
        server = PlayedDatagramServer(self.patience)
        self.peers.append(server)
        return self.tell(server.address, *words, **rest), server
