"""Where a program runs that nobody trusts: a file system, a user and limits of its own.

`Sandbox.enter` is called between fork and exec, in building as in running: the process that was started *is* the
program, so signals, /proc and strace work as ever. Process numbers and the network are those of whoever starts it, who
has made new ones (network.py). What it sees: /usr and the like, read-only; an empty /tmp; /proc of its own processes;
its own folder, in which it may write, and nothing of that outlives the start. user_namespaces(7), pivot_root(2)
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import network
from process import descriptors
from words import kept

FIRST_USER, USERS = 61184, 100  # systemd's range for users that come and go; how many of them are for one student
SHOWN = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "opt")  # what of the machine is shown
DEVICES = ("null", "zero", "full", "random", "urandom")
MIB = 1 << 20
SPACE = 128  # MiB for /tmp and all that a program changes in its folder
FILE = 32  # MiB for one file, what a program prints on stderr among them; a compiler's may be larger
MANY = 12_000  # processes, where they may be many
FILES = 20_000  # files in /tmp, and open descriptors
HANDED_IN = 512  # MiB for a student's files and what is built of them
EXCHANGED = 512  # MiB for what all the programs that run at once print
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}

NEW = 0x20000 | 0x4000000 | 0x8000000  # CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 1, 2, 4, 0x1000, 0x4000, 0x40000, 2
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}.get(platform.machine())
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
libc = network.libc


def checked(result, what):
    if result == -1:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind="", flags=0, data=""):
    source, kind, data = (os.fsencode(word) or None for word in (source, kind, data))
    checked(libc.mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), data), f"mount {target}")


def restrict(target, attributes, clear=0, recursive=True):
    """Changes what may be done on a mount, and on those below it. mount_setattr(2)"""
    words = (ctypes.c_uint64 * 4)(attributes, clear, 0, 0)
    checked(libc.syscall(MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), AT_RECURSIVE if recursive else 0, words,
                         ctypes.c_size_t(32)), f"mount_setattr {target}")


def bind(source, target, recursive=True):
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))


def other_users():
    """Whether we may become another user: root, to whom such numbers are granted."""
    if os.geteuid() != 0:
        return False
    ranges = [list(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(first <= FIRST_USER and FIRST_USER + 4000 < first + count for first, _, count in ranges)


def make_everything_private():
    mount("", "/", flags=MS_REC | MS_PRIVATE)


def begin_apart(base):
    """Makes this process, and what it starts, unable to write anywhere but below `base`, which becomes a disk of its
    own, with another for what is handed in. What it is told to write by a link of a student's goes nowhere."""
    make_everything_private()
    mount("tmpfs", base, "tmpfs", MS_NOSUID | MS_NODEV, f"size={EXCHANGED}m,nr_inodes=50000,mode=755")
    (base / "student").mkdir()
    mount("tmpfs", base / "student", "tmpfs", MS_NOSUID | MS_NODEV, f"size={HANDED_IN}m,nr_inodes=50000,mode=755")
    restrict("/", ATTR_RDONLY)
    restrict(base, 0, clear=ATTR_RDONLY)


@dataclass
class Sandbox:
    """One student's. Below `base`: student (what was handed in), exchange (folders that a check and a program share)
    and root (where the program's file system is put together)."""

    base: Path
    slot: int = 0  # which of the students that are graded at once
    mounts: bool = True  # whether this machine grants mount namespaces
    overlay: bool = True  # whether each start gets the folder afresh
    building: bool = False
    processes: int = 1000
    seconds: int = 60  # of CPU, each process
    secrets: tuple = ()  # folders that must not be seen, though they may lie below what is shown
    environment = ENVIRONMENT

    @property
    def student(self):
        return self.base / "student"

    @property
    def fault(self):
        return self.base / "fault.so"

    def prepare(self, fault):
        """Makes the folders, and puts the library there that makes calls fail."""
        for name, mode in (("student", 0o755), ("exchange", 0o711), ("root", 0o755), ("space", 0o755)):
            (self.base / name).mkdir(exist_ok=True)
            (self.base / name).chmod(mode)
        if fault.exists():
            shutil.copyfile(fault, self.fault)
            self.fault.chmod(0o755)

    def of(self, check):
        """The sandbox for one check: a process for each client is a way to serve ten thousand."""
        return dataclasses.replace(self, processes=MANY if check.id in ("thousand", "ten-thousand") else self.processes)

    @property
    def user(self):
        return FIRST_USER + self.slot * USERS + network.share % USERS

    def keywords(self, cwd):
        """What Popen takes to start a program here. The parent's `cwd` would not do: the file system changes."""
        return {"preexec_fn": lambda: self.enter(cwd)}

    def enter(self, cwd):
        """In the child, before exec: nothing that fails here is passed over."""
        with contextlib.suppress(OSError):  # where /proc is not to be written
            Path("/proc/self/oom_score_adj").write_text("1000")  # rather than the checker
        others = other_users()
        if self.mounts:
            if not others:
                network.become_own_user(self.user)
            network.unshare(NEW)
            self.new_root()
        os.chdir(cwd or self.student)
        os.umask(0o022)
        self.limit()
        if others:
            os.setgroups([])
            os.setresgid(self.user, self.user, self.user)
            os.setresuid(self.user, self.user, self.user)
            libc.prctl(PR_SET_DUMPABLE, 1)  # or /proc/self would be root's
        if self.mounts:
            self.no_more_namespaces(others)
        checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")

    def no_more_namespaces(self, others):
        """In a user namespace of its own a program could mount what it likes, and fill the memory with it."""
        try:
            if others:
                network.become_own_user(self.user)
        except OSError:  # ordinary users are granted none, then
            return
        for kind in ("user", "mnt", "net", "pid"):
            with contextlib.suppress(OSError):
                Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")

    def megabytes(self, running):
        return HANDED_IN if self.building else running

    def limit(self):
        for which, most in ((resource.RLIMIT_CPU, self.seconds), (resource.RLIMIT_FSIZE, self.megabytes(FILE) * MIB),
                            (resource.RLIMIT_NPROC, self.processes), (resource.RLIMIT_NOFILE, FILES),
                            (resource.RLIMIT_CORE, 0), (resource.RLIMIT_MEMLOCK, MIB), (resource.RLIMIT_MSGQUEUE, MIB)):
            hard = resource.getrlimit(which)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(which, (most, most))

    # ---- its file system

    def new_root(self):
        make_everything_private()
        root, space = self.base / "root", self.base / "space"
        mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=1000,mode=755")
        mount("tmpfs", space, "tmpfs", MS_NOSUID | MS_NODEV, f"size={self.megabytes(SPACE)}m,nr_inodes={FILES},mode=755")
        self.show_the_machine(root)
        self.make_devices(root / "dev")
        self.show_the_student(root, space)
        restrict(root, ATTR_RDONLY, recursive=False)
        os.chdir(root)
        checked(libc.syscall(PIVOT_ROOT, b".", b"."), "pivot_root")
        checked(libc.umount2(b".", MNT_DETACH), "umount2")

    def show_the_machine(self, root):
        for name in SHOWN:
            there, here = Path("/", name), root / name
            if there.is_symlink():
                here.symlink_to(os.readlink(there))
            elif there.is_dir():
                here.mkdir()
                bind(there, here)
                restrict(here, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV)
        for hidden in self.secrets:
            if hidden.parts[1:2] and hidden.parts[1] in SHOWN and hidden.is_dir():
                mount("tmpfs", root / hidden.relative_to("/"), "tmpfs", MS_RDONLY, "size=4k")
        (root / "proc").mkdir()
        bind("/proc", root / "proc")

    def make_devices(self, dev):
        dev.mkdir()
        for name in DEVICES:
            (dev / name).touch()
            bind(f"/dev/{name}", dev / name)
        for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
                             ("stderr", "/proc/self/fd/2"), ("shm", "/tmp")):
            (dev / name).symlink_to(target)

    def show_the_student(self, root, space):
        for name in ("tmp", "changed", "overlay"):
            (space / name).mkdir()
            (space / name).chmod(0o1777)
        (root / "tmp").mkdir()
        bind(space / "tmp", root / "tmp")
        base = root / self.base.relative_to("/")
        for name in ("exchange", "student"):
            (base / name).mkdir(parents=True)
        bind(self.base / "exchange", base / "exchange")
        if self.fault.exists():
            (base / self.fault.name).touch()
            bind(self.fault, base / self.fault.name)
            restrict(base / self.fault.name, ATTR_RDONLY)
        if self.overlay and not self.building:
            where = f"lowerdir={self.student},upperdir={space / 'changed'},workdir={space / 'overlay'}"
            mount("overlay", base / "student", "overlay", MS_NOSUID | MS_NODEV,
                  where + ("" if other_users() else ",userxattr"))
        else:
            bind(self.student, base / "student")


# ---- what this machine grants


@dataclass(frozen=True)
class Machine:
    """What can be enforced here; each is empty, or why not."""

    users: str
    numbers: str
    network: str
    mounts: str
    overlay: str
    descriptors: str

    def key(self):
        """What is refused here, whatever the reason."""
        return [each.name for each in dataclasses.fields(self) if getattr(self, each.name)]

    def limits(self):
        """What could not be enforced, in lines for the report."""
        told = {
            "users": self.users and self.mounts
            and kept("programs run as the user who grades: {reason}", reason=self.users),
            "numbers": self.numbers and kept("a program may leave processes behind: {reason}", reason=self.numbers),
            "network": self.network
            and kept("programs reach this machine's network, and one is judged at a time: {reason}",
                     reason=self.network),
            "mounts": self.mounts
            and kept("programs see this machine's files, and may fill its disk: {reason}", reason=self.mounts),
            "overlay": self.overlay and not self.mounts
            and kept("what a program writes into its folder stays for its next start: {reason}", reason=self.overlay),
            "descriptors": self.descriptors
            and kept("what a program holds open is not to be seen, and what needs that is not judged: {reason}",
                     reason=self.descriptors),
        }
        memory = kept("no kernel limit on the memory of all processes together: it is looked at ten times a second, "
                      "and from 2 GiB on they are ended")
        return [*filter(None, told.values()), memory]


def tried(action):
    """Empty, or why `action` fails in a process of its own."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        reason = ""
        try:
            signal.alarm(20)
            action()
        except BaseException as error:  # the machine's refusal, in whatever form
            reason = str(error) or type(error).__name__
        os.write(theirs, json.dumps(reason).encode())
        os._exit(0)
    os.close(theirs)
    with open(ours) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(said) if said else kept("the attempt ended early")


def refuse_unless(granted, reason):
    if not granted:
        raise OSError(reason)


def try_numbers():
    network.begin_new_numbers()
    refuse_unless(os.getpid() == 1, kept("no process namespaces"))


def try_another_user():
    refuse_unless(other_users(), kept("no right to become another"))
    os.setgroups([])
    os.setresgid(FIRST_USER, FIRST_USER, FIRST_USER)
    os.setresuid(FIRST_USER, FIRST_USER, FIRST_USER)


def box_to_try(base, **granted):
    """A sandbox, made ready as for a student."""
    network.begin_new_numbers()
    box = Sandbox(base, secrets=(Path(__file__).resolve().parent,), **granted)
    if box.mounts:
        begin_apart(base)
    box.prepare(base / "nothing")
    network.begin_new_numbers()
    network.renew()
    return box


def try_to_enter(base, overlay):
    box_to_try(base, overlay=overlay).enter(None)
    refuse_unless(os.geteuid() != 0 and not Path(__file__).exists(), kept("the sandbox does not hold"))


def try_to_look(base, mounts):
    box = box_to_try(base, mounts=mounts, overlay=False)
    with subprocess.Popen(["sleep", "60"], env=box.environment, **box.keywords(None)) as program:
        try:
            descriptors(program.pid)
        finally:
            program.kill()


def machine(base):
    """Tries what this machine grants. `base` is an empty folder."""
    mounts = tried(lambda: try_to_enter(base, overlay=False))
    return Machine(
        users=tried(try_another_user),
        numbers=tried(try_numbers),
        network=tried(lambda: refuse_unless(network.renew(), kept("no network namespaces"))),
        mounts=mounts,
        overlay=tried(lambda: try_to_enter(base, overlay=True)),
        descriptors=tried(lambda: try_to_look(base, mounts=not mounts)),
    )
