"""Upper case on socketserver: a thread per client, a process per client, a thread per client on a path, or datagrams.

The two arguments are the kind and the PORT, or the path.
"""

import contextlib
import socketserver
import sys


class Upper(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(16384):
                self.request.sendall(data.upper())


class UpperDatagram(socketserver.BaseRequestHandler):
    def handle(self):
        data, server = self.request
        server.sendto(data.upper(), self.client_address)


class Ours:
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        print("refused:", sys.exc_info()[1], file=sys.stderr)


class Threads(Ours, socketserver.ThreadingTCPServer):
    pass


class Forks(Ours, socketserver.ForkingTCPServer):
    max_children = 1000

    def finish_request(self, request, client_address):
        self.socket.close()  # in the child
        super().finish_request(request, client_address)


class Path(Ours, socketserver.ThreadingUnixStreamServer):
    pass


class Datagrams(Ours, socketserver.UDPServer):
    allow_reuse_address = False  # for datagrams it would let two servers share the port
    max_packet_size = 65536


kind, place = sys.argv[1:]
if kind == "path":
    server = Path(place, Upper)
else:
    make = {"threads": Threads, "forks": Forks, "datagrams": Datagrams}[kind]
    server = make(("127.0.0.1", int(place)), UpperDatagram if kind == "datagrams" else Upper)
server.serve_forever(poll_interval=60 if kind != "forks" else 0.5)
