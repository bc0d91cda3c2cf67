"""Which tests are slow: `pytest --update-slow` measures and lists them; `test.sh --quick` leaves them out."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Generator, Iterable

import pytest

LIST = pathlib.Path(__file__).with_name("slow.txt")
LONGEST_SECS = 0.3
"""Of a processor, for a test that is not slow. A fixture that tests share counts for each of them."""
_NEVER = tuple(f"tests/test_{name}.py" for name in ("house", "insides", "layers", "safety"))
"""Rules that a change breaks easily are held by `--quick` too."""


def listed() -> set[str]:
    """The test functions that were slow when they were last measured: `tests/folder/test_file.py::test_function`."""
    return set(LIST.read_text(encoding="utf-8").split())


def function_of(nodeid: str) -> str:
    """The name of a test without its parameters."""
    return nodeid.partition("[")[0]


def mark(items: Iterable[pytest.Item]) -> None:
    """Marks those that are listed."""
    slow = listed()
    for item in items:
        if function_of(item.nodeid) in slow:
            item.add_marker("slow")


class Measurement:
    """A plugin that measures the tests which run, and lists those that are slow beside the listed ones that did not.

    Measured is the time of all processors, which another process does not change much. With pytest-xdist workers
    measure, and the process that they report to writes the list.
    """

    def __init__(self) -> None:
        self._shared: dict[tuple[str, str], float] = {}
        self._ran: dict[str, bool] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        began = time.process_time()
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                self._shared[fixturedef.baseid, fixturedef.argname] = time.process_time() - began

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        began = time.process_time()
        try:
            return (yield)
        finally:
            names = getattr(item, "fixturenames", ())
            shared = (
                secs for (base, name), secs in self._shared.items() if name in names and item.nodeid.startswith(base)
            )
            secs = time.process_time() - began + sum(shared)
            item.user_properties.append(("slow", secs > LONGEST_SECS))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == "slow":
                function = function_of(report.nodeid)
                self._ran[function] = bool(value) or self._ran.get(function, False)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not hasattr(session.config, "workerinput"):
            slow = (listed() - self._ran.keys()) | {function for function, value in self._ran.items() if value}
            slow = {function for function in slow if not function.startswith(_NEVER)}
            LIST.write_text("".join(f"{function}\n" for function in sorted(slow)), encoding="utf-8")
