"""Bytes that TCP connections have carried, as the kernel counted them (Linux's sock_diag)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator

_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_ALL_STATES = 0xFFFFFFFF
_INFO = 2
_ERROR, _DONE = 2, 3
_ACKED_AND_RECEIVED = 120  # where struct tcp_info has tcpi_bytes_acked and tcpi_bytes_received
_MESSAGE_SIZE = 72  # of struct inet_diag_msg


def carried(ports: Collection[int]) -> int:
    """Bytes that the open connections to listeners on these ports have brought in and taken out."""
    return sum(acked + received for port, (acked, received) in _connections() if port in ports)


def _connections() -> Iterator[tuple[int, tuple[int, int]]]:
    """The own port of each TCP socket of this machine, with the bytes it has sent and received."""
    for family in (socket.AF_INET, socket.AF_INET6):
        body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, _ALL_STATES) + bytes(48)
        head = struct.pack("=IHHII", 16 + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as asked:
            asked.send(head + body)
            yield from _answers(asked)


def _answers(asked: socket.socket) -> Iterator[tuple[int, tuple[int, int]]]:
    while True:
        data = asked.recv(1 << 20)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise OSError(f"sock_diag answers with error {struct.unpack_from('=i', data, 16)[0]}")
            message = data[16:length]
            info = _attribute(message[_MESSAGE_SIZE:])
            if len(info) >= _ACKED_AND_RECEIVED + 16:
                acked, received = struct.unpack_from("=QQ", info, _ACKED_AND_RECEIVED)
                yield struct.unpack_from(">H", message, 4)[0], (acked, received)
            data = data[(length + 3) & ~3 :]


def _attribute(attributes: bytes) -> bytes:
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == _INFO:
            return attributes[4:length]
        attributes = attributes[(length + 3) & ~3 :]
    return b""
