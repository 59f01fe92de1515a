"""Non-blocking sockets, and no call that waits. PORT is the one argument."""

import contextlib
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
listener.setblocking(False)
clients = []
while True:
    with contextlib.suppress(BlockingIOError):
        clients.append(listener.accept()[0])
    for client in list(clients):
        try:
            data = client.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        except ConnectionError:
            data = b""
        if not data:
            clients.remove(client)
            client.close()
        else:
            with contextlib.suppress(ConnectionError):
                client.sendall(data.upper())
