"""Dataclasses become flags, flags become dataclasses, and mistakes get one clear sentence."""

from __future__ import annotations

import dataclasses
import enum
import pathlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trainer
from trainer.formats.settings import DataFormat, ForecastData
from trainer.job import flags
from trainer.job.config import ExporterKind, RunSettings, setting
from trainer.job.errors import UsageError


class Shape(enum.Enum):
    ROUND = "round"
    TWO_SIDED = "two-sided"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Params:
    """Every type that a flag can have."""

    units: int = setting(3, "cells")
    rate: float = setting(0.01, "step length")
    name: str = "lstm"
    nick: str | None = None
    fast: bool = False
    careful: bool | None = None
    depth: int | None = 4
    shape: Shape = Shape.ROUND
    shapes: tuple[Shape, ...] = ()
    layers: tuple[int, ...] = (10, 3)
    columns: tuple[str, ...] | None = None
    schema: object = dataclasses.field(default=None, metadata={"flag": False})


def parsed(*argv: str) -> Params:
    return flags.parse(argv, Params)[Params]


def refusal(*argv: str, classes: tuple[type, ...] = (RunSettings, ForecastData, Params)) -> str:
    with pytest.raises(UsageError) as caught:
        flags.parse(argv, *classes)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_no_flags_give_the_defaults() -> None:
    assert parsed() == Params()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--units=128.0"], {"units": 128}),
        (["--units", "1e3"], {"units": 1000}),
        (["-units=7"], {"units": 7}),
        (["--units", "-5"], {"units": -5}),
        (["--rate=1e-3"], {"rate": 0.001}),
        (["--name="], {"name": ""}),
        (["--nick="], {"nick": None}),
        (["--nick=none"], {"nick": "none"}),
        (["--depth=none"], {"depth": None}),
        (["--fast"], {"fast": True}),
        (["--fast", "false"], {"fast": False}),
        (["--fast", "--nofast"], {"fast": False}),
        (["--no-careful"], {"careful": False}),
        (["--careful=YES"], {"careful": True}),
        (["--shape=Two_Sided"], {"shape": Shape.TWO_SIDED}),
        (["--shapes=round,two-sided"], {"shapes": (Shape.ROUND, Shape.TWO_SIDED)}),
        (["--layers=64, 32.0,"], {"layers": (64, 32)}),
        (["--layers="], {"layers": ()}),
        (["--columns="], {"columns": ()}),
        (['--columns="a,b", c ,"say ""hi"""'], {"columns": ("a,b", "c", 'say "hi"')}),
        (["--units=1", "--units=2"], {"units": 2}),
        (["--", "--units=3"], {"units": 3}),
    ],
)
def test_a_value_is_read_by_the_type_of_its_field(argv: list[str], expected: dict[str, object]) -> None:
    assert parsed(*argv) == dataclasses.replace(Params(), **expected)


def test_a_single_value_is_read_without_an_argv() -> None:
    assert flags.value_of("units", "128.0", int) == 128
    with pytest.raises(UsageError, match="--units=2.5. Accepted: a whole number"):
        flags.value_of("units", "2.5", int | None)


def test_dashes_and_underscores_are_the_same_in_names() -> None:
    run = flags.parse(["--train-steps=5", "--job-dir=a-b_c"], RunSettings)[RunSettings]
    assert run == RunSettings(train_steps=5, output_dir="a-b_c")


def test_a_field_that_is_no_flag_stays_unknown() -> None:
    assert "Unknown flag --schema" in refusal("--schema=1", classes=(Params,))


def test_several_classes_are_filled_from_one_argv() -> None:
    settings = flags.parse(["--seed=3", "--exporter=best,final", "--units=9"], ForecastData, RunSettings, Params)
    assert settings[ForecastData].seed == 3
    assert settings[RunSettings].exporter == (ExporterKind.BEST, ExporterKind.FINAL)
    assert settings[Params].units == 9


def test_a_name_that_two_classes_share_sets_both() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Other:
        units: int = 8

    settings = flags.parse(["--units=5"], Params, Other)
    assert (settings[Params].units, settings[Other].units) == (5, 5)
    assert flags.parse([], Params, Other)[Other].units == 8


def test_a_shared_name_of_another_type_is_refused() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Other:
        units: str = "x"

    with pytest.raises(TypeError, match="Other.units is <class 'str'>; another class differs"):
        flags.parse([], Params, Other)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--trainsteps=5"], "Unknown flag --trainsteps. Did you mean --train_steps=5?"),
        (["--batch_size=20"], "Unknown flag --batch_size. Did you mean --train_batch_size=20?"),
        (["--max-steps=9"], "Unknown flag --max-steps. Did you mean --train_steps=9?"),
        (["--epochs=3"], "Unknown flag --epochs. Did you mean --num_epochs=3?"),
        (["--model_dir=run"], "Unknown flag --model_dir. Did you mean --output_dir=run?"),
        (["--bogus_thing"], "Unknown flag --bogus_thing. See --help for all flags."),
        (
            ["train_steps=5"],
            "Unexpected argument 'train_steps=5'. Accepted: flags only, as --name=value. Did you mean --train_steps=5",
        ),
        (["–train_steps=5"], "Did you mean --train_steps=5?"),
        (["sequences"], "Did you mean --data_format=sequences?"),
        ([""], "Unexpected argument ''"),
        (["--train_steps"], "--train_steps has no value. Accepted: --train_steps=VALUE"),
        (["--train_steps", "--seed=3"], "--train_steps has no value"),
        (["--units=1.5"], "--units=1.5. Accepted: a whole number, such as 128 or 128.0"),
        (["--units=many"], "--units=many. Accepted: a whole number"),
        (["--units=" + "9" * 5000], "... (5000 characters). Accepted: a whole number"),
        (["--rate=nan"], "--rate=nan. Accepted: a finite number"),
        (["--rate=1e999"], "--rate=1e999. Accepted: a finite number"),
        (["--fast=perhaps"], "--fast=perhaps. Accepted: true or false"),
        (["--data_format=sequence"], "Accepted: auto, sequences, series, examples, table; did you mean sequences?"),
        (["--exporter=latest,worst"], "--exporter=latest,worst. Accepted: latest, best, final"),
        (
            ["--job-dir=a", "--output_dir=b"],
            "--job_dir=a together with --output_dir=b. Accepted: one of the two, which",
        ),
        (
            ["--flagfile=/nowhere/f"],
            "--flagfile=/nowhere/f cannot be read. Accepted: a text file of flags, one per line. Correct the path.",
        ),
        (["--split=70%,20%,10%"], "a finite number, such as 0.01 or 1e-2; write 70% as 0.7"),
        (["--train_steps=0"], "--train_steps=0. Accepted: a whole number from 1 up"),
    ],
)
def test_a_mistake_names_the_flag_and_the_way_out(argv: list[str], message: str) -> None:
    assert message in refusal(*argv)


def test_a_value_that_the_class_refuses_by_value_error_is_a_usage_error() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Picky:
        units: int = 1

        def __post_init__(self) -> None:
            if self.units % 2 == 0:
                raise ValueError(f"--units={self.units} is even")

    assert refusal("--units=2", classes=(Picky,)) == "--units=2 is even."


def test_a_flag_of_another_program_is_suggested_only_where_there_is_one() -> None:
    assert "See --help for all flags" in refusal("--lr=0.1")

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Trained:
        learning_rate: float = 0.1

    assert refusal("--lr=0.2", classes=(Trained,)) == "Unknown flag --lr. Did you mean --learning_rate=0.2?"


def test_the_version_is_printed_unless_a_setting_has_that_name() -> None:
    with pytest.raises(flags.VersionRequested) as caught:
        flags.parse(["--version"], RunSettings)
    assert str(caught.value) == f"trainer {trainer.__version__}\n"

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Versioned:
        version: int = 1

    assert flags.parse(["--version=2"], Versioned)[Versioned].version == 2


def test_a_list_that_repeats_has_the_values_of_all_its_flags_and_of_others_the_last_counts() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Lists:
        env: tuple[str, ...] = setting((), "variables", repeats=True)
        files: tuple[str, ...] = setting((), "files")

    argv = ["--env=A=1", "--files=a,b", '--env="B=2,3"', "--files=c", "--env", "C=4,D=5"]
    assert flags.parse(argv, Lists)[Lists] == Lists(env=("A=1", "B=2,3", "C=4", "D=5"), files=("c",))


def test_two_aliases_may_agree() -> None:
    run = flags.parse(["--job-dir=a", "--output_dir=a"], RunSettings)[RunSettings]
    assert run.output_dir == "a"


def test_a_file_of_flags_is_read(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "flags.txt"
    file.write_text("--units=5\n# a comment\n--name=dnn\n")
    assert parsed(f"--flagfile={file}") == Params(units=5, name="dnn")


def test_abseil_logging_flags_are_known() -> None:
    assert parsed("-v", "0", "--alsologtostderr") == Params()
    assert "--verbosity=loud" in refusal("-v=loud")


@pytest.mark.parametrize("word", ["--help", "-h", "-?", "--helpfull"])
def test_help_lists_every_flag_in_its_group(word: str) -> None:
    with pytest.raises(flags.HelpRequested) as caught:
        flags.parse(["--train_steps=1", word, "--nonsense"], RunSettings, ForecastData, Params)
    text = str(caught.value)
    for settings_class in (RunSettings, ForecastData, Params):
        assert settings_class.__doc__ and settings_class.__doc__.splitlines()[0] in text
    names = [field.name for kind in (RunSettings, ForecastData, Params) for field in dataclasses.fields(kind)]
    assert [name for name in names if f"  --{name}" not in text] == ["schema"]


def test_help_calls_settings_without_a_docstring_by_their_name() -> None:
    @dataclasses.dataclass(frozen=True)
    class Undescribed:
        units: int = 3

    assert "\n\nUndescribed\n  --units " in flags.help_text(Undescribed)


def test_help_shows_defaults_and_choices_within_the_width() -> None:
    text = flags.help_text(Params, width=80)
    assert "--units                     cells (default: 3)" in text
    assert "(round|two-sided; default: round)" in text
    assert max(map(len, text.splitlines())) <= 80


def test_to_argv_gives_only_what_differs_from_the_defaults() -> None:
    run = RunSettings(output_dir="out", exporter=(ExporterKind.BEST,), min_eval_frequency=2.5)
    data = ForecastData(data_format=DataFormat.SERIES, split=(8640, 2880, 2880))
    assert flags.to_argv(run, data) == [
        "--output_dir=out",
        "--min_eval_frequency=2.5",
        "--exporter=best",
        "--data_format=series",
        "--split=8640,2880,2880",
    ]


words = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.builds(
        Params,
        units=st.integers(),
        rate=numbers,
        name=words,
        nick=st.none() | words.filter(bool),
        fast=st.booleans(),
        careful=st.none() | st.booleans(),
        depth=st.none() | st.integers(),
        shape=st.sampled_from(Shape),
        shapes=st.lists(st.sampled_from(Shape)).map(tuple),
        layers=st.lists(st.integers()).map(tuple),
        columns=st.none() | st.lists(words | st.just("none")).map(tuple),
    )
)
def test_argv_brings_back_the_same_settings(params: Params) -> None:
    assert flags.parse(flags.to_argv(params), Params)[Params] == params


@pytest.mark.process
def test_flags_need_no_tensorflow() -> None:
    code = "import sys, trainer.job.flags, trainer.job.config; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'--train_data_paths=n\\udcff\.csv' is not UTF-8"):
        flags.parse(["--train_data_paths=n\udcff.csv"], RunSettings, ForecastData)
