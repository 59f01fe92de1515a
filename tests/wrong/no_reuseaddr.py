"""One client after another, on a socket without SO_REUSEADDR. PORT is the one argument."""

import contextlib
import socket
import sys

with socket.socket() as listener:
    listener.bind(("127.0.0.1", int(sys.argv[1])))
    listener.listen(128)
    while True:
        client, _ = listener.accept()
        with client, contextlib.suppress(ConnectionError):
            while data := client.recv(4096):
                client.sendall(data.upper())
