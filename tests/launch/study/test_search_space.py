"""What of a task can be searched: names, kinds and values of its flags."""

from __future__ import annotations

import dataclasses
import enum

import pytest

from trainer.job.config import require_positive, setting
from trainer.job.errors import UsageError
from trainer.launch.study import search_space
from trainer.launch.study.parameter import Kind
from trainer.launch.study.search_space import SearchSpace


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Theirs:
    first_layer_size: int = setting(10, "units")
    rate: float | None = setting(None, "step size")
    colour: Colour = setting(Colour.RED, "of the network")
    wide: bool = setting(False, "or narrow")
    sizes: tuple[int, ...] = setting((), "of all layers")
    output_dir: str | None = setting(None, "where", alias=("job_dir",))
    shapes: object = dataclasses.field(default=None, metadata={"flag": False})

    def __post_init__(self) -> None:
        require_positive("first_layer_size", self.first_layer_size, "a whole number from 1 up")
        if self.rate is not None and self.rate > self.first_layer_size:
            raise UsageError(f"--rate={self.rate} with --first_layer_size={self.first_layer_size}")


TASK = SearchSpace(settings=(Theirs,), metrics={"accuracy": "max"})


@pytest.mark.parametrize("spelled", ["first_layer_size", "first-layer-size", "rate", "colour"])
def test_flags_are_accepted_with_dashes_or_underscores(spelled: str) -> None:
    assert TASK.refusal_of_name(spelled) is None


@pytest.mark.parametrize(
    ("spelled", "message"),
    [
        ("first-layer", "first-layer is not a flag of trainer.task. Accepted: fields of the problem's params"),
        ("colours", "Did you mean colour?"),
        ("zzz", "python -m trainer.task --help lists the flags."),
        ("shapes", "shapes is not a flag of trainer.task."),
        ("output_dir", "--output_dir as a parameter. Accepted: flags that change the model or its training"),
        ("job-dir", "--job_dir as a parameter."),
    ],
)
def test_other_names_are_refused(spelled: str, message: str) -> None:
    refusal = TASK.refusal_of_name(spelled)
    assert refusal is not None
    told = f"{refusal.got}. Accepted: {refusal.accept}. {refusal.do}."
    assert message in told


@pytest.mark.parametrize(
    ("name", "kinds", "words"),
    [
        ("first_layer_size", (Kind.INTEGER, Kind.DISCRETE, Kind.CATEGORICAL), "whole numbers"),
        ("rate", (Kind.DOUBLE, Kind.INTEGER, Kind.DISCRETE, Kind.CATEGORICAL), "numbers"),
        ("colour", (Kind.CATEGORICAL,), "one of red, blue"),
        ("wide", (Kind.CATEGORICAL,), "true or false"),
        ("sizes", (Kind.CATEGORICAL,), "text"),
    ],
)
def test_kinds_follow_from_types(name: str, kinds: tuple[Kind, ...], words: str) -> None:
    assert (TASK.kinds(name), TASK.says(name)) == (kinds, words)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("first_layer_size", "128.0"),
        ("rate", "1e-3"),
        ("rate", "none"),
        ("wide", "yes"),
        ("sizes", "3,4"),
        ("rate", "20"),
    ],
)
def test_values_that_the_flag_takes_are_accepted(name: str, text: str) -> None:
    # --rate=20 does not fit the default of another flag, which a job may set.
    assert TASK.refusal_of_value(name, text) is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("first_layer_size", "0", "--first_layer_size=0. Accepted: a whole number from 1 up"),
        ("first_layer_size", "2.5", "--first_layer_size=2.5. Accepted: a whole number, such as 128 or 128.0"),
        ("colour", "rde", "--colour=rde. Accepted: red, blue"),
    ],
)
def test_values_that_no_task_would_take_are_refused(name: str, text: str, message: str) -> None:
    refusal = TASK.refusal_of_value(name, text)
    assert refusal is not None and str(refusal).startswith(message)


def test_the_task_of_this_installation_is_known() -> None:
    task = search_space.of_task()
    assert {"model", "learning_rate", "train_batch_size", "save_checkpoints_steps"} <= set(task.hints)
    assert "rmse" in task.metrics


def test_a_problem_of_ones_own_says_what_its_study_may_search_and_aim_at() -> None:
    task = search_space.of_task(["--problem=examples/classification.py", "--train_steps=10"])
    assert {"units", "learning_rate"} <= set(task.hints) and "lstm_units" not in task.hints
    assert task.metrics == {"accuracy": "max", "loss": "min"}
