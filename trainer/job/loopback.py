"""Keeps the servers of a job that is all on this machine from answering other machines.

TensorFlow's servers listen on every interface, whatever address TF_CONFIG gives them, and serve whoever connects: no
password, no encryption, and a client may run any program in them. Where every address of a job is on the loopback
interface, its listening sockets are tied to that interface; `ss -ltn` shows them as `*%lo:PORT`.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
from collections.abc import Iterator

from trainer.job import addresses
from trainer.job.cluster import Cluster

_log = logging.getLogger("trainer")

_DESCRIPTORS = "/proc/self/fd"
_INTERFACE = b"lo"


def shield(cluster: Cluster) -> None:
    """Ties this process's server to the loopback interface if every address of the job is there.

    Args:
      cluster: of the job; this process listens at its own address in it.
    """
    address = cluster.jobs.get(cluster.task_type, {}).get(cluster.task_id)
    others = [other for nodes in cluster.jobs.values() for other in nodes.values()]
    if address is None or not all(map(is_loopback, others)):
        return
    if not _tied(addresses.split(address)[1]):
        _log.warning(
            "The server at %s can be reached from other machines: this system does not tie it to the loopback "
            "interface. Shield its port with a firewall.",
            address,
        )


def is_loopback(address: str) -> bool:
    """Whether a `host:port` names this machine's loopback interface."""
    host, _ = addresses.split(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _tied(port: int) -> bool:
    """Ties what listens on a port in this process; returns whether there was any and all of it is tied now."""
    try:
        listening = list(_listening(port))
    except OSError:  # a system without /proc
        return False
    try:
        for server in listening:
            # Linux lets every user do that since 5.7. Connections that come later are tied as well.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _INTERFACE)
    except OSError:
        return False
    finally:
        for server in listening:
            server.close()
    return bool(listening)


def _listening(port: int) -> Iterator[socket.socket]:
    """This process's sockets that listen on a TCP port, duplicated."""
    for name in os.listdir(_DESCRIPTORS):
        try:
            if not os.readlink(os.path.join(_DESCRIPTORS, name)).startswith("socket:"):
                continue
            found = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # closed meanwhile
            continue
        if _listens(found, port):
            yield found
        else:
            found.close()


def _listens(found: socket.socket, port: int) -> bool:
    if found.family not in (socket.AF_INET, socket.AF_INET6) or found.type != socket.SOCK_STREAM:
        return False
    listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return bool(listens) and found.getsockname()[1] == port
