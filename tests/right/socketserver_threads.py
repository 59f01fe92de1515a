"""Upper case on socketserver, a thread per client. PORT is the one argument."""
# Passes: 03
# Excused: out-of-descriptors: it tries accept again at once, and spins
# Excused: descriptor-from-elsewhere: needs out-of-descriptors

import contextlib
import socketserver
import sys


class Upper(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(16384):
                self.request.sendall(data.upper())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        print("refused:", sys.exc_info()[1], file=sys.stderr)


Server(("127.0.0.1", int(sys.argv[1])), Upper).serve_forever(poll_interval=60)
