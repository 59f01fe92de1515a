"""One client after another; a handler takes SIGTERM and SIGINT, and nothing comes of it. PORT is the one argument."""

import contextlib
import signal
import socket
import sys

for each in (signal.SIGTERM, signal.SIGINT):
    signal.signal(each, lambda *_: None)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    connection, _ = listener.accept()
    with connection, contextlib.suppress(ConnectionError):
        while data := connection.recv(4096):
            connection.sendall(data.upper())
