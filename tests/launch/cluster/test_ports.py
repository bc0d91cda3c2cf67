"""Ports that nobody else takes."""

from __future__ import annotations

import random
import socket

import pytest

from trainer.job.errors import JobError
from trainer.launch.cluster import ports
from trainer.launch.cluster.ports import Reservation


class Scripted(random.Random):
    """Chooses what it is told to."""

    def __init__(self, choices: list[int]) -> None:
        super().__init__()
        self._choices = choices

    def randint(self, a: int, b: int) -> int:
        return self._choices.pop(0) if len(self._choices) > 1 else self._choices[0]


def test_ports_are_free_different_and_below_those_of_outgoing_connections() -> None:
    with Reservation(20, random.Random(1)) as reservation:
        assert len(set(reservation.ports)) == 20
        assert all(15000 <= port < 32768 and ports.is_free(port) for port in reservation.ports)
        assert reservation.addresses == [f"127.0.0.1:{port}" for port in reservation.ports]


def test_what_one_launcher_holds_no_other_takes() -> None:
    with Reservation(2, random.Random(1)) as first:
        with Reservation(1, random.Random(2)) as other:
            free = other.ports
        with Reservation(1, Scripted([*first.ports, *free])) as second:
            assert second.ports == free


def test_a_port_is_free_again_when_its_job_has_ended() -> None:
    with Reservation(1, random.Random(1)) as first:
        held = first.ports
    with Reservation(1, Scripted(held)) as second:
        assert second.ports == held


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_that_somebody_listens_on_is_not_chosen(family: socket.AddressFamily, host: str) -> None:
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no address {host}")
    with server:
        taken = server.getsockname()[1]
        with Reservation(1, random.Random(3)) as probe:
            free = probe.ports
        with Reservation(1, Scripted([taken, *free])) as found:
            assert found.ports == free


def test_a_machine_without_a_free_port_is_an_error_and_nothing_stays_held() -> None:
    with Reservation(1, random.Random(4)) as first:
        held = first.ports
        with pytest.raises(JobError, match=r"No free port from 15000 to \d+ in 200 tries. Stop what listens there"):
            Reservation(1, Scripted(held))
    Reservation(1, Scripted(held)).close()
