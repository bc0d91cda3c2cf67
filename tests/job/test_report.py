"""What a run says at its end, and of each evaluation."""

from __future__ import annotations

import dataclasses
import math

import pytest

from trainer.job import report, score_table
from trainer.job.goodput import Activity, Tally
from trainer.job.report import Input, Summary
from trainer.job.score_table import Figures, Score, ScoreTable

RMSE = {"rmse": "min", "mae": "min", "loss": "min", "rmse_standardized": "min"}
ACCURACY = {"accuracy": "max", "auc": "max"}

TALLY = Tally(
    at=0.0,
    step=2000,
    secs={Activity.PROGRESS: 60.0, Activity.STARTUP: 20.0, Activity.LOST: 15.0, Activity.SAVE: 4.9, Activity.IDLE: 0.1},
    restarts=2,
    lost_steps=500,
)
SUMMARY = Summary(
    global_step=2000,
    reason="max_steps",
    metrics={"rmse": 0.0123, "rmse_same_as_last": 0.2386, "loss": 0.00015, "global_step": 2000},
    test_metrics=None,
    baselines={"rmse_same_as_last": 0.2386, "rmse_least_squares": 1.1e-9},
    steps_per_sec=4321.0,
    examples_per_sec=432100.0,
    seconds=9.87,
    goodput=report.goodput_figures(TALLY),
    checkpoint="out/model.ckpt-2000",
    export_dir="out/export/latest/1700000000",
    model="lstm",
    params={"model": "lstm"},
    versions={"tensorflow": "2.21.0"},
)


def scores(summary: Summary, directions: dict[str, str] = RMSE, tag: str | None = None) -> ScoreTable:
    figures = Figures(
        model=summary.model,
        metrics=summary.metrics,
        baselines=summary.baselines,
        test_metrics=summary.test_metrics,
        directions=directions,
    )
    return score_table.of(figures, [next(iter(directions)), *([tag] if tag else [])])


def values(*shape: int) -> Input:
    return Input(name="values", shape=(None, *shape), is_number=True)


def test_the_table_puts_the_score_beside_the_baselines_and_says_what_to_type() -> None:
    again = "python -m trainer.task --output_dir=out --train_steps=4000"
    assert report.table(SUMMARY, "out", scores(SUMMARY), inputs=[values(3, 1)], again=again).splitlines() == [
        "",
        "                                      rmse",
        "  this run (lstm)                   0.0123   step 2,000",
        "  same as last                      0.2386   beaten",
        "  least squares                    1.1e-09   not beaten",
        "",
        "  also        loss (mean of batches) 0.00015",
        "  checkpoint  out/model.ckpt-2000",
        "  export      out/export/latest/1700000000",
        "  events      out",
        "  summary     out/summary.json",
        "  took        9.9 s, 4,321 steps/s; ended by max_steps",
        "  goodput     60.0 % of 100 s, 2 restarts (startup 20.0 %, lost 15.0 %, save 4.9 %)",
        "",
        "Next",
        "  tensorboard --logdir out",
        "  python -m trainer.predict --model_dir=out --input=ROWS.csv --output=predictions.csv",
        "  python -m trainer.serve --model_dir=out",
        "  saved_model_cli run --dir out/export/latest/1700000000 --tag_set serve --signature_def serving_default "
        "--input_exprs 'values=[[[0.0],[0.0],[0.0]]]'",
        "  python -m trainer.task --output_dir=out --train_steps=4000",
    ]


def test_what_is_not_known_is_a_dash_or_left_out() -> None:
    bare = dataclasses.replace(
        SUMMARY, metrics={"loss": 1.0}, baselines={}, steps_per_sec=None, checkpoint=None, export_dir=None
    )
    text = report.table(bare, "my runs", scores(bare), inputs=[values(9, 1)])
    assert "  this run (lstm)                        -   step 2,000" in text
    assert "  export      -" in text
    assert "no step made" in text
    assert text.endswith("Next\n  tensorboard --logdir 'my runs'")


def test_an_input_too_long_to_type_is_shown_instead() -> None:
    text = report.table(SUMMARY, "out", scores(SUMMARY), inputs=[values(336, 7)])
    assert text.endswith("  saved_model_cli show --dir out/export/latest/1700000000 --all")


def test_an_input_of_text_is_shown_instead_of_typed() -> None:
    words = Input(name="words", shape=(None,), is_number=False)
    text = report.table(SUMMARY, "out", scores(SUMMARY), inputs=[values(1), words])
    assert text.endswith("  saved_model_cli show --dir out/export/latest/1700000000 --all")


def test_a_score_of_which_more_is_better_beats_what_is_less() -> None:
    summary = dataclasses.replace(SUMMARY, metrics={"accuracy": 0.9}, baselines={"accuracy_majority": 0.6})
    text = report.table(summary, "out", scores(summary, ACCURACY))
    assert text.splitlines()[1:4] == [
        "                                  accuracy",
        "  this run (lstm)                      0.9   step 2,000",
        "  majority                             0.6   beaten",
    ]
    line = report.evaluation_line({"accuracy": 0.5, "global_step": 3}, {"accuracy_majority": 0.6}, ACCURACY)
    assert line == "Evaluated step 3: accuracy 0.5 (does not beat majority 0.6)"


def test_the_test_part_has_a_line_of_its_own_with_all_of_its_metrics() -> None:
    summary = dataclasses.replace(
        SUMMARY, metrics={"rmse": 0.0123, "mae": 0.01, "loss": 0.1}, test_metrics={"rmse": 0.5, "mae": 0.25}
    )
    text = report.table(summary, "out", scores(summary)).splitlines()
    assert text[1:6] == [
        "                                      rmse         mae",
        "  this run (lstm)                   0.0123        0.01   step 2,000",
        "  same as last                      0.2386               beaten",
        "  least squares                    1.1e-09               not beaten",
        "  this run, test part                  0.5        0.25",
    ]
    assert "  also        loss (mean of batches) 0.1" in text


def test_each_metric_that_simple_models_have_is_a_column_and_the_tuners_comes_first() -> None:
    summary = dataclasses.replace(
        SUMMARY,
        metrics={"accuracy": 0.9, "auc": 0.7, "global_step": 2000},
        baselines={"accuracy_majority": 0.6, "auc_majority": 0.5, "auc_logistic_regression": 0.8},
    )
    assert report.table(summary, "out", scores(summary, ACCURACY, "auc")).splitlines()[1:5] == [
        "                                  accuracy         auc",
        "  this run (lstm)                      0.9         0.7   step 2,000",
        "  majority                             0.6         0.5   beaten",
        "  logistic regression                              0.8",
    ]


def test_a_metric_of_the_problem_is_no_simple_model_because_its_name_goes_on() -> None:
    summary = dataclasses.replace(SUMMARY, metrics={"rmse": 0.1, "rmse_standardized": 0.5}, baselines={})
    text = report.table(summary, "out", scores(summary))
    assert "  also        rmse_standardized 0.5" in text
    assert "beaten" not in text


def test_a_difference_that_float32_rounds_away_beats_nothing() -> None:
    score = Score(name="rmse", maximizes=False)
    assert not score.beats(1734.2884521, 1734.2885764)
    assert score.beats(1734.2, 1734.3)


def test_a_score_that_is_nan_beats_nothing() -> None:
    summary = dataclasses.replace(SUMMARY, metrics={"rmse": math.nan})
    text = report.table(summary, "out", scores(summary))
    assert "this run (lstm)                      nan" in text
    assert "same as last                      0.2386   not beaten" in text


def test_the_report_has_a_line_where_there_is_one_or_may_be_one() -> None:
    assert "  report      out/report.html" in report.table(SUMMARY, "out", scores(SUMMARY), written="out/report.html")
    assert "  report  " not in report.table(SUMMARY, "out", scores(SUMMARY))


@pytest.mark.parametrize(
    ("metrics", "baselines", "expected"),
    [
        (
            {"rmse": 0.1, "rmse_same_as_last": 0.2, "global_step": 1000},
            {"rmse_least_squares": 0.01},
            "Evaluated step 1,000: rmse 0.1 (beats same as last 0.2, does not beat least squares 0.01)",
        ),
        ({"rmse": 0.1, "global_step": 5}, {}, "Evaluated step 5: rmse 0.1"),
        ({"loss": 0.5, "global_step": 5}, {}, "Evaluated step 5: loss 0.5"),
    ],
)
def test_an_evaluation_is_one_line(metrics: dict[str, float], baselines: dict[str, float], expected: str) -> None:
    assert report.evaluation_line(metrics, baselines, RMSE) == expected


def test_the_record_has_every_field() -> None:
    assert list(SUMMARY.record()) == [field.name for field in dataclasses.fields(Summary)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (math.nan, "nan"), (1.23456, "1.235"), (53961.7, "53,962"), (-12345.6, "-12,346"), (2e7, "2e+07")],
)
def test_figures_are_written_as_people_read_them(value: float | None, text: str) -> None:
    assert score_table.figure(value) == text
