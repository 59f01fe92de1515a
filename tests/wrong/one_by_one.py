"""One client to its end, and then the next. PORT is the one argument."""

import contextlib
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    connection, _ = listener.accept()
    with connection, contextlib.suppress(ConnectionError):
        while data := connection.recv(4096):
            connection.sendall(data.upper())
