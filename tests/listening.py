"""Which sockets a process tree listens on, as the kernel tells it: the inodes under /proc/PID/fd, looked up in
/proc/net. Nobody connects to find out, which would use up the only client of a server that takes one."""

import os
import socket
import struct
from pathlib import Path

from check import CannotTell
from process import descriptors

TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6"), "unix": ("unix",)}
LISTENING = {"tcp": "0A", "udp": "07"}  # the state of a socket that listens; of UDP one: bound, and not connected
ACCEPTS = 0x10000  # __SO_ACCEPTCON, among the flags of a socket that listens on a path
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, DUMP = 4, 20, 0x301  # linux/netlink.h, linux/sock_diag.h
INODE, ATTRIBUTES, V6ONLY = 68, 72, (11, b"\1")  # where they stand in struct inet_diag_msg; INET_DIAG_SKV6ONLY is set


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += map(int, file.read().split())
    except OSError:  # it ended while we looked
        pass
    return found


def tree(pid):
    """`pid` and its descendants, as far as they run."""
    found, to_do = [], [pid]
    while to_do:
        each = to_do.pop()
        found.append(each)
        to_do += children(each)
    return found


def stat(pid):
    """What /proc says of a process, or a thread of it ("PID/task/TID"), from its state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", "0"]


def parent(pid):
    return int(stat(pid)[1])


def runs(pid):
    """Whether a process has not ended."""
    return stat(pid)[0] not in "ZX"


def sockets(pids):
    """(the inodes of the sockets that these processes hold, the CannotTell of one whose are not to be seen, or None)"""
    inodes, hidden = set(), None
    for pid in pids:
        try:
            targets = descriptors(pid).values()
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
        except CannotTell as reason:
            hidden = reason
            continue
        inodes |= {target[8:-1] for target in targets if target.startswith("socket:[")}
    return inodes, hidden


def pieces(data, head):
    """[(type, content)] of netlink's messages, or of the attributes in one: each has its length and type before it."""
    found = []
    while data:
        size, kind = struct.unpack_from(head, data)
        found.append((kind, data[struct.calcsize(head):size]))
        data = data[(size + 3) // 4 * 4:]
    return found


def for_ipv6_alone(kind):
    """The inodes of the sockets that wait for IPv6 and no IPv4, which /proc/net does not tell; none where the kernel
    does not answer sock_diag(7)."""
    protocol = socket.IPPROTO_UDP if kind == "udp" else socket.IPPROTO_TCP
    states = 1 << int(LISTENING[kind], 16)
    found, ended = set(), False
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
            kernel.send(struct.pack("=IHH8xBB2xI48x", 72, SOCK_DIAG_BY_FAMILY, DUMP, socket.AF_INET6, protocol, states))
            while not ended:
                for message, content in pieces(kernel.recv(1 << 16), "=IH10x"):
                    ended = message != SOCK_DIAG_BY_FAMILY
                    if not ended and V6ONLY in pieces(content[ATTRIBUTES:], "=HH"):
                        found.add(str(struct.unpack_from("=I", content, INODE)[0]))
    except OSError:
        pass
    return found


def address_of(text, kind, inode):
    """(host, port) of what /proc/net/tcp writes as 0100007F:2328. One that listens on every address is reached by
    the loopback's, of IPv4 if it takes that."""
    words, port = text.split(":")
    raw = b"".join(struct.pack("=I", int(words[at:at + 8], 16)) for at in range(0, len(words), 8))
    host = socket.inet_ntop(socket.AF_INET6 if len(raw) == 16 else socket.AF_INET, raw)
    host = host.removeprefix("::ffff:")
    if host == "::":
        host = "::1" if inode in for_ipv6_alone(kind) else "127.0.0.1"
    return {"0.0.0.0": "127.0.0.1"}.get(host, host), int(port, 16)


def listening(pids, kind):
    """Where these processes can be reached: (host, port) pairs, or the paths, "@name" when abstract. `kind` is tcp,
    udp or unix. Raises CannotTell when it finds none, and may not look everywhere."""
    inodes, hidden = sockets(pids)
    found = []
    for table in TABLES[kind] if inodes else ():
        try:
            lines = Path("/proc/net", table).read_text(errors="replace").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if kind == "unix":
                if len(fields) > 7 and fields[6] in inodes and int(fields[3], 16) & ACCEPTS:
                    found.append(fields[7])
            elif fields[9] in inodes and fields[3] == LISTENING[kind]:
                found.append(address_of(fields[1], kind, fields[9]))
    if hidden and not found:
        raise hidden
    return found
