"""The list of slow tests names tests that exist, and a run that measures changes it for the tests that ran."""

from __future__ import annotations

import pathlib
import re

from tests import slow

ROOT = pathlib.Path(__file__).parent.parent

pytest_plugins = ["pytester"]


def test_every_slow_test_exists() -> None:
    known: dict[str, set[str]] = {}
    for file in {name.partition("::")[0] for name in slow.listed()}:
        text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).exists() else ""
        known[file] = set(re.findall(r"^ *def (test_\w+)\(", text, re.MULTILINE))
    gone = {name for name in slow.listed() if name.split("::")[-1] not in known[name.partition("::")[0]]}
    assert gone == set(), "pytest --update-slow, or change tests/slow.txt by hand"
