"""What is judged: a command that starts a server, with all that a check starts and opens while it judges."""

import tempfile
from pathlib import Path

from check import CannotTell, Failed
from peer import Peer
from process import Process, Server


class ServerSubject:
    """A server program. A check asks it to start, connects to it, and need not clear up: close() does."""

    def __init__(self, command, capabilities, patience=4.0, fault_library=None):
        self.command = command  # words; {port} stands for the port
        self.capabilities = capabilities
        self.patience = patience  # seconds, for whatever a check waits for
        self.fault_library = fault_library
        self.servers = []
        self.peers = []

    def command_for(self, port):
        return [str(word).replace("{port}", str(port)) for word in self.command]

    def start(self, port=0, **rest):
        """A running server, ready. Raises Failed when it does not become ready."""
        server = Server(self.command_for(port), patience=self.patience, **rest)
        self.servers.append(server)
        return server

    def run(self, port):
        """The same program, started without waiting for it to be ready."""
        process = Process(self.command_for(port))
        self.servers.append(process)
        return process

    def start_with_fault(self):
        """A server in which making a process or a thread fails while the returned file exists; each failure
        adds a byte to it. Works on programs that call fork and pthread_create through the C library."""
        if not self.fault_library or not Path(self.fault_library).exists():
            raise CannotTell("the library that makes fork and thread creation fail is not built")
        switch = Path(tempfile.mkdtemp(prefix="fault-")) / "switch"
        environment = {"LD_PRELOAD": str(self.fault_library), "FAULT_SWITCH": str(switch)}
        return self.start(environment=environment), switch

    def connect(self, server, **rest):
        peer = Peer(server.address, patience=self.patience, **rest)
        self.peers.append(peer)
        return peer

    def close(self):
        """Ends all that was started. Returns what the tests must know besides: a server that would not stop,
        a sanitizer's report."""
        complaints = []
        for peer in self.peers:
            peer.close()
        for server in self.servers:
            if server.alive():
                try:
                    server.stop()
                except Failed as failure:
                    complaints.append(str(failure))
            if server.sanitizer_report():
                complaints.append(server.sanitizer_report())
            server.kill()
        return complaints

    def logs(self):
        """What the servers wrote to stderr, for the report of a failed check."""
        return "\n".join(server.log for server in self.servers if server.log)


def judge(check, subject, strict=True):
    """Lets `check` judge `subject` and clears up. Raises Failed, which says the promise, what was wrong, and what
    the program said on stderr; or CannotTell. With `strict`, what comes to light while clearing up counts too."""
    try:
        check.judge(subject)
    except Failed as failure:
        said = subject.logs()
        raise Failed(f"{check.title}: {failure}" + (f"\n--- stderr\n{said}" if said else "")) from None
    finally:
        complaints = subject.close()
    if complaints and strict:
        raise Failed(f"{check.title}: " + "\n".join(complaints))
