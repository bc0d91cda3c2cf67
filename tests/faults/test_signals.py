"""A few rounds of the campaigns of signals."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import pytest

from tests.deadlines import ANSWER_SECS
from tests.faults import signals, startup
from tests.job.test_preemption import serving

pytestmark = pytest.mark.process


@pytest.mark.parametrize(("name", "count"), [("trace", 1), ("training", 2), ("evaluation", 3)])
def test_a_process_that_is_asked_to_end_loses_nothing(
    name: str, count: int, forking_python: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (phase,) = [phase for phase in signals.PHASES if phase.name == name]
    phase = dataclasses.replace(phase, limit_secs=ANSWER_SECS)  # the campaign is what measures
    outcome = signals.Campaign(tmp_path, forking_python, seed=1).phase(phase, count)
    assert (outcome.code, outcome.lost, outcome.fault) == (143, 0, "")


def test_a_parameter_server_that_is_asked_to_end_has_the_chief_save(
    forking_python: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (role,) = [role for role in signals.ROLES if role.place == "parameter server"]
    outcome = signals.Campaign(tmp_path, forking_python, seed=1).role(role, 1)
    assert (outcome.code, outcome.lost) == (143, 0), outcome.fault


def test_a_notice_that_the_machine_is_taken_away_is_heard_like_a_signal(
    forking_python: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with serving() as server:
        flags = ["--phase=training", f"--train_steps={signals.ENDLESS}", f"--output_dir={tmp_path}/run"]
        environ = {**os.environ, "GCE_METADATA_HOST": server.host}
        running = signals.Running([forking_python, "-m", "trainer.task", signals.PROBLEM, *flags], environ)
        running.until("phase training")
        server.set("preempted", "TRUE")
        assert running.end() == 143
    assert "Saved after the notice preempted=TRUE; run the same command again" in running.text
    assert signals.saved(f"{tmp_path}/run") >= running.made() > 0


def test_a_signal_at_the_start_of_a_fresh_process_ends_it() -> None:
    results = startup.campaign(3, longest_secs=1.0)
    assert all(result.is_good for result in results), startup.table(results)
