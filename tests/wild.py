"""Programs that are hardly a server: each must get a clear verdict, in bounded time, and the cause that is its own."""

from dataclasses import dataclass

LISTENS = """
import socket, sys, os, time, signal
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(100)
"""


@dataclass(frozen=True)
class Wild:
    text: str  # the program
    said: str  # a regular expression that the failure must match
    check: str  # the id of the check that must fail it
    cause: str
    chapter: str = "01"  # its number


WILD = {
    "sleeps": Wild("import time; time.sleep(1000)", "no socket of it listens", "starts", "never-listens"),
    "ends": Wild("import sys; sys.exit('no such luck')", "no such luck", "starts", "dies-at-start"),
    "mute": Wild(LISTENS + "time.sleep(1000)", "no answer for", "answers", "never-accepts"),
    "talks": Wild(LISTENS + "while True: os.write(1, b'x' * (1 << 20))", "no answer for", "answers", "never-accepts"),
    "background": Wild("import os; os.fork() and os._exit(0)" + LISTENS + "time.sleep(1000)", "in the background", "starts",
                       "goes-into-background"),
    "datagrams": Wild("import socket, sys, time\ns = socket.socket(type=socket.SOCK_DGRAM)\n"
                      "s.bind(('127.0.0.1', int(sys.argv[1])))\ntime.sleep(1000)", "it has one for UDP", "starts",
                      "wrong-transport"),
    "streams": Wild(LISTENS + "time.sleep(1000)", "it has one for TCP", "udp-starts", "wrong-transport", "09"),
    "elsewhere": Wild(LISTENS.replace("int(sys.argv[1])", "12345") + "time.sleep(1000)", "and not on", "starts", "wrong-port"),
    # One that nobody stops would have to be borne: this one makes no more than three thousand.
    "forks": Wild("import os, time\nfor _ in range(3000): os.fork() or time.sleep(1000)\ntime.sleep(1000)",
                  "processes: they were ended|of memory: it was ended", "starts", "forks-without-end"),
    "ignores SIGTERM": Wild(LISTENS + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + """
while True:
    connection, _ = listener.accept()
    while data := connection.recv(4096): connection.sendall(data.upper())
    connection.close()
""", "still running after", "stops", "ignores-sigterm"),
}
