"""A selector, and send() whose result nobody looks at. PORT is the one argument."""

import contextlib
import selectors
import socket
import sys

selector = selectors.DefaultSelector()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
listener.setblocking(False)
selector.register(listener, selectors.EVENT_READ)


def serve(connection):
    with contextlib.suppress(BlockingIOError):
        if data := connection.recv(65536):
            connection.send(data.upper())
            return
        selector.unregister(connection)
        connection.close()


while True:
    for key, _ in selector.select():
        if key.fileobj is listener:
            client, _ = listener.accept()
            client.setblocking(False)
            selector.register(client, selectors.EVENT_READ)
            continue
        try:
            serve(key.fileobj)
        except ConnectionError:
            selector.unregister(key.fileobj)
            key.fileobj.close()
