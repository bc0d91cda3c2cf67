"""Flags of the launcher, and those of the task behind `--`."""

from __future__ import annotations

import pytest

from trainer.job import flags
from trainer.job.errors import UsageError
from trainer.launch.cluster import options
from trainer.launch.cluster.options import ClusterOptions


def test_the_tasks_flags_stand_behind_two_dashes() -> None:
    chosen, task_argv = options.parse(["--worker=2", "--ps", "1", "--", "--train_steps=3", "--", "--worker=9"])
    assert chosen == ClusterOptions(worker=2, ps=1)
    assert task_argv == ["--train_steps=3", "--", "--worker=9"]
    assert options.parse([]) == (ClusterOptions(), [])


def test_several_kills_all_count() -> None:
    chosen, _ = options.parse(["--kill=worker:0@2s", "--kill", "chief:0@1s,chief:0@3s", "--grace=2"])
    assert [(fault.name, fault.at_secs) for fault in chosen.injected] == [
        ("worker:0", 2.0),
        ("chief:0", 1.0),
        ("chief:0", 3.0),
    ]
    assert chosen.grace == 2.0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--workers=2"],
            "Unknown flag --workers. Accepted: those of --help, and after -- those of the task. Did you mean --worker",
        ),
        (["--worker=-1"], "--worker=-1. Accepted: 0 or more. Change the number"),
        (["--worker=two"], "--worker=two. Accepted: a whole number"),
        (["--evaluator=2"], "--evaluator=2. Accepted: 0 or 1. Start one evaluator, or none."),
        (["--ps=1", "--worker=0"], "--ps=1 without workers. Accepted: --worker=1 or more."),
        (["--grace=nan"], "--grace=nan. Accepted: a finite number"),
        (["--module=trainer/task.py"], "--module=trainer/task.py. Accepted: a module's dotted name."),
        (["--kill=worker:1@2s"], "worker:1 is not in this job. Accepted: chief:0, worker:0. Correct the role"),
        (["--kill"], "--kill has no value"),
        (["worker"], "Unexpected argument 'worker'"),
        (
            ["--train_steps=3"],
            "--train_steps=3 is a flag of the task. Accepted: such flags after --. Write -- --train",
        ),
        (["--job-dir=out"], "--job-dir=out is a flag of the task."),
        (["--", "--separate_evaluator"], "--separate_evaluator without an evaluator. Accepted: together with"),
        (["--", "--separate-evaluator=true"], "Add --evaluator=1."),
    ],
)
def test_wrong_usage_is_reported_in_three_parts(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        options.parse(argv)
    assert message in str(caught.value)


def test_no_evaluator_may_be_said_to_the_task() -> None:
    assert options.parse(["--", "--separate_evaluator=false"])[1] == ["--separate_evaluator=false"]


def test_help_says_how_the_command_is_called() -> None:
    with pytest.raises(flags.HelpRequested) as caught:
        options.parse(["--help"])
    text = str(caught.value)
    assert text.startswith("Usage: python -m trainer.launch cluster [--flag=value ...] -- [flags of trainer.task]\n")
    assert "--max_restarts" in text and "--verbosity" not in text


def test_a_task_is_told_to_be_done_before_it_is_killed() -> None:
    assert options.parse([])[1] == []
    assert options.parse(["--grace=10", "--", "--model=linear"])[1] == ["--model=linear", "--grace_secs=8"]
    assert options.parse(["--grace=10", "--", "--grace_secs=5"])[1] == ["--grace_secs=5"]
    with pytest.raises(UsageError) as refused:
        options.parse(["--grace=30", "--", "--grace_secs=30"])
    assert "--grace=30 with --grace_secs=30 after --" in str(refused.value)
