"""Every accepted combination of flags, run: a process for each pod, which finds all others, and one ends with a code.

What a code does is what the table in docs/kubernetes.md says. Here each combination gets one code, in turns;
`python -m tests.control_plane` runs all of them with all codes.
"""

from __future__ import annotations

import pathlib

import pytest

from tests.control_plane import exit_code_table, scenarios
from tests.control_plane.exit_code_table import Outcome
from tests.control_plane.fixtures import peer_python  # noqa: F401
from tests.control_plane.scenario_run import require_as_documented, run
from tests.control_plane.scenarios import Scenario

pytestmark = pytest.mark.process
TABLE = exit_code_table.read()
IN_TURNS = list(scenarios.in_turns(TABLE))


def test_the_docs_say_what_each_exit_code_does_to_each_kind_of_job() -> None:
    assert sorted(TABLE) == ["job", "jobset", "tfjob", "trainjob"]
    for by_code in TABLE.values():
        assert {0: Outcome.DONE, 2: Outcome.FAILS, 143: Outcome.AGAIN}.items() <= by_code.items()
        assert sorted(by_code) == [0, 1, 2, 137, 143]


def test_each_kind_of_job_meets_each_exit_code() -> None:
    met = {(scenario.combination.target, scenario.code, scenario.too_often) for scenario in IN_TURNS}
    assert met == {(each.combination.target, each.code, each.too_often) for each in scenarios.every(TABLE)}


@pytest.mark.parametrize("scenario", IN_TURNS, ids=str)
def test_pods_meet_and_exit_codes_do_what_the_docs_say(
    scenario: Scenario,
    tmp_path: pathlib.Path,
    peer_python: pathlib.Path,  # noqa: F811
) -> None:
    require_as_documented(scenario, run(scenario, tmp_path / "node", peer_python))
