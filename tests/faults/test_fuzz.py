"""The fuzzer, in short: nothing hangs, nothing fails but with an error of ours, nothing senseless is taken."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Iterator

import pytest

from tests.deadlines import ANSWER_SECS
from tests.faults import fuzz, fuzz_targets, fuzz_tensorflow_targets
from tests.faults.fuzz_targets import Target
from trainer.job.errors import JobError

CASES, SEED = 480, 1

pytestmark = pytest.mark.filterwarnings("ignore")  # about mutated files; nobody reads them here


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> list[Target]:
    return [*fuzz_targets.targets(), *fuzz_tensorflow_targets.targets(tmp_path_factory.mktemp("run"))]


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Without the warnings about each bad file."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_sound_files_are_taken(targets: list[Target], tmp_path: pathlib.Path) -> None:
    taken = set()
    for target in targets:
        for number, example in enumerate(target.examples):
            folder = tmp_path / target.name.replace(" ", "-") / str(number)
            folder.mkdir(parents=True)
            with contextlib.suppress(JobError):  # some examples of studies have findings
                target.read(example, folder)
                taken.add(target.name)
    assert taken == {target.name for target in targets}


def test_mutated_files_do_no_harm(targets: list[Target]) -> None:
    report = fuzz.run(targets, CASES, SEED, limit_secs=ANSWER_SECS)
    assert [(one.number, one.target, one.kind, one.place, one.said) for one in report.failures] == []
    assert sum(report.outcomes.values()) == CASES


def test_the_fuzzer_finds_what_it_looks_for() -> None:
    def hang(data: bytes, folder: pathlib.Path) -> object:
        while True:
            pass

    def fail(data: bytes, folder: pathlib.Path) -> object:
        raise KeyError("missing")

    def take(data: bytes, folder: pathlib.Path) -> object:
        raise fuzz_targets.RubbishError("nan")

    for read, kind, secs in (
        (hang, "hang", 0.05),
        (fail, "foreign error", ANSWER_SECS),
        (take, "rubbish taken", ANSWER_SECS),
    ):
        report = fuzz.run([Target(name="x", examples=[b"1"], read=read)], 1, SEED, limit_secs=secs)
        assert [failure.kind for failure in report.failures] == [kind]
