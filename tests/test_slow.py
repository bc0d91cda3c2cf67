"""The list of slow tests names tests that exist, and a run that measures changes it for the tests that ran."""

from __future__ import annotations

import pathlib
import re

import pytest

from tests import slow

ROOT = pathlib.Path(__file__).parent.parent
MEASURED = """
    import time
    import pytest

    def work():
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass

    @pytest.fixture(scope="module")
    def shared():
        work()

    def test_first(shared): ...
    def test_second(shared): ...
    @pytest.mark.parametrize("long", [True, False])
    def test_a_case(long):
        if long:
            work()
    def test_no_longer(): ...
"""

pytest_plugins = ["pytester"]


def test_every_slow_test_exists() -> None:
    known: dict[str, set[str]] = {}
    for file in {name.partition("::")[0] for name in slow.listed()}:
        text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).exists() else ""
        known[file] = set(re.findall(r"^ *def (test_\w+)\(", text, re.MULTILINE))
    gone = {name for name in slow.listed() if name.split("::")[-1] not in known[name.partition("::")[0]]}
    assert gone == set(), "pytest --update-slow, or change tests/slow.txt by hand"


def test_a_run_lists_the_slow_ones_of_its_tests_and_keeps_what_it_did_not_run(
    pytester: pytest.Pytester, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "noted.txt"
    noted.write_text("test_elsewhere.py::test_one\ntest_here.py::test_no_longer\n")
    monkeypatch.setattr(slow, "LIST", noted)
    monkeypatch.setattr(slow, "LONGEST_SECS", 0.09)
    pytester.makepyfile(test_here=MEASURED)
    done = pytester.inline_run("-p", "no:cacheprovider", plugins=[slow.Measurement()])
    done.assertoutcome(passed=5)
    assert noted.read_text().split() == [
        "test_elsewhere.py::test_one",
        *("test_here.py::test_a_case", "test_here.py::test_first", "test_here.py::test_second"),
    ]
