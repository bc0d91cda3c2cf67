"""Names of submissions."""

from __future__ import annotations

import datetime

from trainer.launch.submission import names


def test_a_name_says_when_and_is_no_one_else_s() -> None:
    name = names.unique("trainer", datetime.datetime(2026, 3, 4, 5, 6, 7), "a1b2c3")
    assert name == "trainer-0304-0506-a1b2"
    assert len(name) == len("trainer") + names.SUFFIX_LENGTH
    assert len({names.of_now("trainer") for _ in range(5)}) > 1
