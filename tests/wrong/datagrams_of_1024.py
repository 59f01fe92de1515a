"""Datagrams of 1024 bytes at most. PORT is the one argument."""

import socket
import sys

server = socket.socket(type=socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, peer = server.recvfrom(1024)
    server.sendto(data.upper(), peer)
