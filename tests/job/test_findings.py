"""The record of a finding, its line, and the exception that carries findings."""

from __future__ import annotations

import ast
import pathlib

import pytest

from trainer.job import errors, findings
from trainer.job.errors import FindingsError, JobError, UsageError
from trainer.job.findings import Finding, Level, Place, Where

POOL = ("jobSpec", "workerPoolSpecs", 0, "replicaCount")
CHIEFS = Finding(where=POOL, got="2 chiefs", accept="one", do="Set it to 1")
NOTHING = Finding(where=(), got="nothing", accept="a request", do="Did you mean run.json?")
NEWER = Finding(where=("region",), got="'mars-north1', which is not known here", level=Level.NOTE)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (POOL, "jobSpec.workerPoolSpecs[0].replicaCount"),
        ((), "the document"),
        (Place(path="job.yaml", line=3, column=5), "job.yaml:3:5"),
        ("memory", "memory"),
        (None, ""),
    ],
)
def test_a_place_is_written_as_people_write_it(where: Where, text: str) -> None:
    assert findings.shown(where) == text


def test_a_finding_is_one_line_of_sentences() -> None:
    assert str(CHIEFS) == "jobSpec.workerPoolSpecs[0].replicaCount: 2 chiefs. Accepted: one. Set it to 1."
    assert str(NOTHING) == "the document: nothing. Accepted: a request. Did you mean run.json?"
    assert str(NEWER) == "region: note: 'mars-north1', which is not known here."
    assert str(Finding(got="--ps=1 without workers.")) == "--ps=1 without workers."


def test_an_error_of_a_job_is_a_finding() -> None:
    error = UsageError("--ps=1 without workers", "--worker=1 or more", "Add workers")
    assert error.findings == (Finding(got="--ps=1 without workers", accept="--worker=1 or more", do="Add workers"),)
    assert (error.got, error.accept, error.do) == ("--ps=1 without workers", "--worker=1 or more", "Add workers")
    assert str(JobError("It failed")) == "It failed."


def test_all_errors_are_refused_together() -> None:
    with pytest.raises(FindingsError) as refused:
        errors.refuse([CHIEFS, NEWER, NOTHING], "The request is not accepted; nothing was sent:")
    assert str(refused.value) == f"The request is not accepted; nothing was sent:\n{CHIEFS}\n{NOTHING}"
    assert refused.value.exit_code == 2 and refused.value.findings == (CHIEFS, NOTHING)


def test_what_is_only_noted_is_not_refused() -> None:
    assert errors.refuse([NEWER]) == (NEWER,)
    assert errors.refuse([]) == ()


def test_places_sort_as_they_stand_in_the_file() -> None:
    places = [Place(path="a", line=2, column=1), Place(path="a", line=1, column=9), Place(path="a", line=10)]
    assert [place.line for place in sorted(places)] == [1, 2, 10]


def test_long_values_are_shown_short() -> None:
    assert findings.short("x" * 200) == f"'{'x' * 59}... (202 characters)"


def test_what_is_accepted_is_written_without_its_heading() -> None:
    package = pathlib.Path(findings.__file__).parent.parent
    headings = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and str(node.value).startswith("Accepted: ")
    ]
    assert len(headings) == 1 and headings[0].startswith("job/findings.py"), "the record adds it"
