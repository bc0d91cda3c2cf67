"""One process: its lines and its end."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator

import pytest

from trainer.launch.cluster.child import Child

pytestmark = pytest.mark.process


@pytest.fixture
def started() -> Iterator[list[Child]]:
    children: list[Child] = []
    yield children
    for child in children:
        child.destroy()
        child.close()


def run(started: list[Child], code: str) -> Child:
    started.append(Child([sys.executable, "-c", code], os.environ, started_at=0.0))
    return started[-1]


def all_lines(child: Child) -> list[str]:
    found, more = [], True
    while more:
        select.select([child], [], [], 30)
        lines, more = child.read()
        found += lines
    return found


def test_both_streams_come_line_by_line(started: list[Child]) -> None:
    child = run(started, "import os; os.write(1, b'one\\ntw'); os.write(2, b'o\\r\\n'); os.write(1, b'last')")
    assert all_lines(child) == ["one", "two", "last"]


def test_a_line_that_overwrites_itself_shows_what_is_left(started: list[Child]) -> None:
    assert all_lines(run(started, "print('10%\\r20%\\r100%')")) == ["100%"]


def test_what_is_no_utf_8_is_shown_all_the_same(started: list[Child]) -> None:
    assert all_lines(run(started, "import os; os.write(1, b'caf\\xe9\\n')")) == ["caf\ufffd"]


def test_a_line_without_end_comes_in_pieces(started: list[Child]) -> None:
    pieces = all_lines(run(started, "print('x' * 3_000_000)"))
    assert len(pieces) > 1 and "".join(pieces) == "x" * 3_000_000


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, 137), (signal.SIGTERM, 143)])
def test_the_end_by_a_signal_counts_as_in_a_shell(started: list[Child], number: signal.Signals, code: int) -> None:
    child = run(started, "import signal; print('ready', flush=True); signal.pause()")
    select.select([child], [], [], 30)
    assert child.exit_code() is None
    child.send(number)
    all_lines(child)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert child.exit_code() == code
    assert child.exit_code() == code


def test_lines_that_were_not_read_before_the_end_are_not_lost(started: list[Child]) -> None:
    child = run(started, "print('a' * 30000); print('b', end='')")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert child.exit_code() == 0
    assert child.close() == ["a" * 30000, "b"]
    started.clear()


def test_a_process_leads_a_group_of_its_own(started: list[Child]) -> None:
    child = run(started, "import os; print(os.getpgid(0), os.getsid(0))")
    assert all_lines(child) == [f"{child.pid} {child.pid}"]
