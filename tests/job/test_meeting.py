"""Processes wait for each other in Python: each listens in its own place until it has seen the others."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.deadlines import ANSWER_SECS
from trainer.job import meeting


def free_addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def test_all_meet_whoever_comes_first() -> None:
    places = free_addresses(3)

    def come(own: str) -> None:
        meeting.meet(own, [place for place in places if place != own], wait=lambda secs: None)
        # TensorFlow takes the place now, so that those who come later see somebody there, too.
        host, port = own.split(":")
        taken.append(socket.create_server((host, int(port))))

    taken: list[socket.socket] = []
    threads = [threading.Thread(target=come, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ANSWER_SECS)
    assert len(taken) == 3
    for one in taken:
        one.close()


def test_it_says_for_whom_it_waits_and_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    own, other = free_addresses(2)
    with (
        caplog.at_level("INFO", logger="trainer"),
        pytest.raises(meeting.NobodyCameError, match=f"Nothing listens at {other} after 20 s") as error,
    ):
        meeting.meet(own, [other], secs=20.0, wait=lambda secs: None)
    assert error.value.exit_code == 143
    assert caplog.messages == [f"Waiting for {other}."] * 2


def test_a_place_that_is_taken_is_left_to_tensorflow_to_complain_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        own, there = (f"127.0.0.1:{one.getsockname()[1]}" for one in (taken, other))
        meeting.meet(own, [there], wait=lambda secs: pytest.fail("it waits"))
