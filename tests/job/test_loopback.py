"""Servers of a job on one machine: who can reach them."""

from __future__ import annotations

import socket

import pytest

from trainer.job import loopback
from trainer.job.cluster import Cluster


def cluster_at(own: str, *others: str) -> Cluster:
    workers = dict(enumerate(others))
    return Cluster(jobs={"chief": {0: own}, "worker": workers} if others else {"chief": {0: own}}, task_type="chief")


def interface_of(server: socket.socket) -> bytes:
    return server.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0")


def test_a_server_on_all_interfaces_of_a_job_on_loopback_is_tied_to_it() -> None:
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        loopback.shield(cluster_at(f"127.0.0.1:{port}", "localhost:1", "[::1]:2"))
        assert interface_of(server) == b"lo"
        socket.create_connection(("127.0.0.1", port), timeout=10).close()


def test_a_job_with_an_address_elsewhere_keeps_its_server_open() -> None:
    with socket.create_server(("", 0)) as server:
        loopback.shield(cluster_at(f"127.0.0.1:{server.getsockname()[1]}", "worker-0.example:2222"))
        assert interface_of(server) == b""


def test_a_server_that_cannot_be_tied_is_told(caplog: pytest.LogCaptureFixture) -> None:
    loopback.shield(cluster_at("127.0.0.1:9"))
    assert "The server at 127.0.0.1:9 can be reached from other machines" in caplog.text


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.8.8.8:1", True),
        ("LocalHost:1", True),
        ("[::1]:1", True),
        ("10.0.0.1:1", False),
        ("localhost.example:1", False),
        ("[fd00::1]:1", False),
    ],
)
def test_which_addresses_are_on_loopback(address: str, is_loopback: bool) -> None:
    assert loopback.is_loopback(address) is is_loopback
