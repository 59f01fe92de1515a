"""One client after another; an empty bytes is compared with an empty string. PORT is the one argument."""

import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    client, _ = listener.accept()
    while True:
        data = client.recv(4096)
        if data == "":
            break
        client.sendall(data.upper())
    client.close()
