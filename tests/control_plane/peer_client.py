"""`peer_client.py SOCKET ...` stands for a process that is a fork of peer_server.py's; it passes signals on to it.

It imports nothing but what is compiled into the interpreter: hundreds of these are started.
"""

import _signal
import _socket
import posix
import sys

control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
control.connect(sys.argv[1])
fork = int(control.recv(16))  # every message has 16 bytes
for number in (_signal.SIGTERM, _signal.SIGINT):
    _signal.signal(number, lambda number, frame: posix.kill(fork, number))
code = control.recv(16)
posix._exit(int(code or 137))
