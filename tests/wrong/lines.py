"""A thread per client, line by line. PORT is the one argument."""

import socketserver
import sys


class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        while (line := self.rfile.readline()).endswith(b"\n"):
            self.wfile.write(line.upper())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Upper).serve_forever()
