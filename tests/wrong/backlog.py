"""A thread per client, and a backlog of 1. PORT is the one argument."""

import contextlib
import socket
import sys
import threading


def serve(connection):
    with connection, contextlib.suppress(ConnectionError):
        while data := connection.recv(4096):
            connection.sendall(data.upper())


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
