"""The age of a process leaves out what its script took to install."""

from __future__ import annotations

import os
import time

from trainer.job import process_age


def test_a_set_up_within_this_process_begins_its_age_anew() -> None:
    whole = process_age.secs()
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert process_age.secs({process_age.SET_UP: f"{os.getpid()} {now:.2f}"}) < whole


def test_the_set_up_of_another_process_or_an_odd_value_changes_nothing() -> None:
    whole = process_age.secs()
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert process_age.secs({process_age.SET_UP: f"{os.getpid() + 1} {now:.2f}"}) >= whole
    assert process_age.secs({process_age.SET_UP: "3"}) >= whole
