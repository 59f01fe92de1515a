"""A network of this process's own, with nothing but a loopback: ports that nobody else has, and none in TIME_WAIT.

What is started later, and sockets that are made later, belong to it. Where the machine grants none, ports come from
what is this process's share."""

import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
FIRST, SHARE = 10000, 300  # the first port, and how many are one process's own

share = 0  # which share of the ports is ours
allowed = None  # whether networks are granted; unknown before the first
libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    if libc.unshare(flags) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def become_own_user():
    """A user namespace in which we are who we were, and may make networks."""
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER)
    for file, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{file}", "w") as out:
            out.write(text)


def bring_up_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))


def renew():
    """Leaves for a new network. False, and nothing has changed, where that is not allowed."""
    global allowed
    if allowed is False:
        return False
    try:
        try:
            unshare(CLONE_NEWNET)
        except PermissionError:
            if allowed:
                raise
            become_own_user()
            unshare(CLONE_NEWNET)
        bring_up_loopback()
        allowed = True
    except OSError:
        allowed = False
    return allowed


def port_of_ours(kind):
    """A free port of our share, which nobody else is given."""
    for port in range(FIRST + share * SHARE, FIRST + (share + 1) * SHARE):
        with socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
    raise OSError("no port of this process's share is free")
