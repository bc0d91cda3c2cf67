"""The flags of `sweep`."""

from __future__ import annotations

import pytest

from trainer.job import flags
from trainer.job.errors import UsageError
from trainer.launch.sweep import options as sweep_options


def test_flags_of_the_task_come_after_two_dashes() -> None:
    chosen, task = sweep_options.parse(["--job-dir=a", "--nowarm", "--", "--train_steps=5", "--train_batch_size=128.0"])
    assert (chosen.directory, chosen.warm, chosen.config) == ("a", False, "hptuning_config.yaml")
    assert task == ["--train_steps=5", "--train_batch_size=128.0"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "No --output_dir. Accepted: a directory for the study. Add --output_dir=output/sweep."),
        (["--output_dir=gs://b/s"], "--output_dir=gs://b/s. Accepted: a directory on this machine."),
        (
            ["--output_dir=a", "--train_steps=5"],
            "--train_steps=5 is a flag of the task. Accepted: such",
        ),
        (["--output_dir=a", "--", "--job-dir=b"], "--job-dir=b after --. Accepted: --output_dir before --."),
        (["--output_dir=a", "--", "--train_stepz=5"], "Unknown flag --train_stepz. Did you mean --train_steps=5?"),
        (["--output_dir=a", "--confg=b"], "Unknown flag --confg. Accepted: those of --help, and after --"),
        (["--output_dir=a", "--trial_timeout_secs=0"], "--trial_timeout_secs=0.0. Accepted: seconds above 0."),
        (["--output_dir=a", "--grace=-1"], "--grace=-1.0. Accepted: 0 or more."),
        (["--output_dir=a", "--module=a b"], "--module=a b. Accepted: a module's dotted name."),
    ],
)
def test_wrong_usage_says_what_to_do(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        sweep_options.parse(argv)
    assert message in str(caught.value)


def test_of_another_module_the_flags_are_its_own() -> None:
    _, task = sweep_options.parse(["--output_dir=a", "--module=mine", "--", "--whatever=1"])
    assert task == ["--whatever=1"]


def test_help_names_every_flag() -> None:
    with pytest.raises(flags.HelpRequested, match=r"Usage: python -m trainer\.launch sweep .*") as caught:
        sweep_options.parse(["--help"])
    assert "--trial_timeout_secs" in str(caught.value) and "--job_dir" in str(caught.value)
