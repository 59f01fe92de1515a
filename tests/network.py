"""A network of this process's own, with nothing but a loopback: ports that nobody else has, and none in TIME_WAIT;
and process numbers of its own, so that all it has started ends with it.

What is started later, and sockets that are made later, belong to it. Where the machine grants no network, ports come
from what is this process's share."""

import ctypes
import fcntl
import os
import signal
import socket
import struct

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE, PR_SET_PDEATHSIG = 0x4000, 0x40000, 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
FIRST, SHARE = 10000, 300  # the first port, and how many are one process's own

share = 0  # which share of the ports is ours
allowed = None  # whether networks are granted; unknown before the first
libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    if libc.unshare(flags) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def become_own_user(inside=None):
    """A user namespace in which we may make networks, and are who we were, or user and group `inside`."""
    uid, gid = os.geteuid(), os.getegid()
    maps = [f"{outside if inside is None else inside} {outside} 1" for outside in (uid, gid)]
    unshare(CLONE_NEWUSER)
    for file, text in zip(("setgroups", "uid_map", "gid_map"), ("deny", *maps)):
        with open(f"/proc/self/{file}", "w") as out:
            out.write(text)


def begin_new_numbers():
    """Goes on in a child that is number 1 of a process namespace: the kernel ends all the others in it when it ends,
    however fast they multiply, and it ends with us. pid_namespaces(7) Where the machine grants none, nothing changes."""
    try:
        try:
            unshare(CLONE_NEWPID | CLONE_NEWNS)
        except PermissionError:
            become_own_user()
            unshare(CLONE_NEWPID | CLONE_NEWNS)
    except OSError:
        return
    if first := os.fork():
        signal.signal(signal.SIGALRM, lambda *_: os.kill(first, signal.SIGALRM))  # what we are asked, it can answer
        os.waitpid(first, 0)
        os._exit(0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)
    if libc.mount(b"proc", b"/proc", b"proc", 0, None) == -1:
        raise OSError(ctypes.get_errno(), f"mount /proc: {os.strerror(ctypes.get_errno())}")


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
    except OSError:
        allowed = bool(allowed)  # what was granted once may be again
        return False
    allowed = True
    return True


def granted():
    """Whether this machine grants networks, which a child tries."""
    child = os.fork()
    if not child:
        os._exit(0 if renew() else 1)
    return os.waitpid(child, 0)[1] == 0


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
