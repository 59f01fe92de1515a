"""A thread per client; bytes are taken for text. PORT is the one argument."""

import socket
import sys
import threading


def serve(connection):
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data.decode().upper().encode())


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
