"""When the latest, the best and the final model are exported, what is kept, and what a restart finds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator.one_weight import batches, make, receiver
from trainer.estimator import BestExporter, Estimator, Exporter, FinalExporter, LatestExporter
from trainer.estimator.evaluation.best_exporter import comparison, loss_smaller
from trainer.estimator.saving.events import Events


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    """Trained, with checkpoints of the steps 0, 10 and 20; tests give its exports a directory of their own."""
    return make(tmp_path_factory.mktemp("model")).train(batches(), steps=20)


def export(
    exporter: Exporter, estimator: Estimator, base: Path, step: int = 20, final: bool = False, **metrics: Any
) -> bytes | None:
    """What the exporter does after an evaluation with these metrics."""
    checkpoint = f"{estimator.model_dir}/model.ckpt-{min(step, 20)}"
    result = {**metrics, "global_step": np.int64(step)}
    return exporter.export(estimator, str(base), checkpoint, result, final)


def exports(base: Path) -> list[str]:
    return sorted(path.name for path in base.iterdir() if path.name.isdigit())


# What every exporter does


@pytest.mark.parametrize("kind", [LatestExporter, BestExporter, FinalExporter])
def test_an_exporter_needs_a_name_and_a_receiver(kind: Callable[..., Exporter]) -> None:
    assert kind("mine", receiver).name == "mine"
    for name in ("", None):
        with pytest.raises(ValueError, match="An exporter was given the name .* It takes a string that is not empty"):
            kind(name, receiver)
    with pytest.raises(ValueError, match="Exporter mine was given serving_input_receiver_fn=None. It takes a function"):
        kind("mine", None)


@pytest.mark.parametrize("kind", [LatestExporter, BestExporter])
def test_how_many_to_keep_is_positive_or_none(kind: Callable[..., Exporter]) -> None:
    with pytest.raises(ValueError, match="exports_to_keep is 0. It takes a number greater than 0, or None to keep all"):
        kind("mine", receiver, exports_to_keep=0)


def test_an_export_is_of_the_checkpoint_that_was_evaluated(estimator: Estimator, tmp_path: Path) -> None:
    for step in (0, 20):
        made = export(LatestExporter("latest", receiver), estimator, tmp_path, step=step)
        served = tf.saved_model.load(made.decode()).signatures["serving_default"](x=tf.constant([1.0]))
        weight = tf.train.load_checkpoint(f"{estimator.model_dir}/model.ckpt-{step}").get_tensor("weight")
        assert served["y"].numpy() == [weight]


def test_an_export_has_ten_digits_and_its_extra_assets(estimator: Estimator, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("words")
    extra = {"notes/note.txt": str(tmp_path / "note.txt")}
    exporter = FinalExporter("final", receiver, assets_extra=extra, as_text=True)
    made = Path(export(exporter, estimator, tmp_path / "export", final=True).decode())
    assert len(made.name) == 10 and made.name.isdigit()
    assert (made / "assets.extra" / "notes" / "note.txt").read_text() == "words"
    assert (made / "saved_model.pbtxt").exists()


# Latest


def test_the_latest_exporter_exports_each_time_and_keeps_the_newest(estimator: Estimator, tmp_path: Path) -> None:
    exporter = LatestExporter("latest", receiver, exports_to_keep=2)
    made = [export(exporter, estimator, tmp_path).decode() for _ in range(3)]
    assert [str(tmp_path / name) for name in exports(tmp_path)] == made[1:]


def test_five_exports_are_kept_by_default_and_nothing_else_is_touched(estimator: Estimator, tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"100000000{number}").mkdir()
    others = ["100000000", "10000000000", "temp-1000000000", "best.json", "١٠٠٠٠٠٠٠٠٠"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / "0000000000").touch()
    made = export(LatestExporter("latest", receiver), estimator, tmp_path)
    kept = {f"100000000{number}" for number in (3, 4, 5, 6)} | {Path(made.decode()).name, "0000000000", *others}
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_all_exports_are_kept_where_none_is_too_many(estimator: Estimator, tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"100000000{number}").mkdir()
    export(LatestExporter("latest", receiver, exports_to_keep=None), estimator, tmp_path)
    assert len(exports(tmp_path)) == 8


@pytest.mark.parametrize("kind", [LatestExporter, BestExporter])
def test_a_clock_that_went_back_does_not_cost_the_new_export(
    estimator: Estimator, tmp_path: Path, kind: Callable[..., Exporter]
) -> None:
    (tmp_path / "9999999999").mkdir()
    made = export(kind("mine", receiver, exports_to_keep=1), estimator, tmp_path, loss=1.0)
    assert Path(made.decode()).exists()


# Final


def test_the_final_exporter_waits_for_the_end(estimator: Estimator, tmp_path: Path) -> None:
    exporter = FinalExporter("final", receiver)
    assert export(exporter, estimator, tmp_path, final=False) is None
    assert export(exporter, estimator, tmp_path, final=True) is not None
    assert len(exports(tmp_path)) == 1


# Best


def test_the_best_exporter_exports_what_is_better_than_all_before(estimator: Estimator, tmp_path: Path) -> None:
    exporter = BestExporter(serving_input_receiver_fn=receiver)
    assert exporter.name == "best_exporter"
    made = [export(exporter, estimator, tmp_path, loss=np.float32(loss)) for loss in (0.5, 0.6, 0.5, 0.4, 0.45)]
    assert [path is not None for path in made] == [True, False, False, True, False]


def test_the_best_is_kept_beside_the_exports(estimator: Estimator, tmp_path: Path) -> None:
    made = export(BestExporter("best", receiver), estimator, tmp_path, loss=np.float32(0.5), rmse=np.float32(0.25))
    record = json.loads((tmp_path / "best.json").read_text())
    assert len(record.pop("crc32")) == 8
    assert record == {
        "eval_result": {"loss": 0.5, "rmse": 0.25, "global_step": 20},
        "checkpoint": "model.ckpt-20",
        "export": Path(made.decode()).name,
    }


def test_a_restart_knows_the_best(estimator: Estimator, tmp_path: Path) -> None:
    loss = np.float32(0.1)
    assert export(BestExporter("best", receiver), estimator, tmp_path, loss=loss)
    assert export(BestExporter("best", receiver), estimator, tmp_path, loss=loss) is None
    assert export(BestExporter("best", receiver), estimator, tmp_path, loss=np.nextafter(loss, np.float32(0)))


@pytest.mark.parametrize(
    ("before", "after"), [("0.5", "0.1"), ('"loss"', '"lass"'), ("{", "["), ("0.5", "0x5"), ("0.5", '"0.5"')]
)
@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_damaged_record_of_the_best_is_said_and_rebuilt_from_the_events(
    estimator: Estimator, tmp_path: Path, caplog: pytest.LogCaptureFixture, before: str, after: str, is_sealed: bool
) -> None:
    export(BestExporter("best", receiver), estimator, tmp_path, loss=np.float32(0.5))
    text = (tmp_path / "best.json").read_text()
    if not is_sealed:  # as earlier versions wrote it
        text = json.dumps({name: value for name, value in json.loads(text).items() if name != "crc32"})
    (tmp_path / "best.json").write_text(text.replace(before, after, 1))
    if not is_sealed and after in ("0.1", '"0.5"'):
        return  # which cannot be told
    assert export(BestExporter("best", receiver), estimator, tmp_path, step=21, loss=np.float32(0.3))
    assert f"{tmp_path / 'best.json'} is damaged: it" in caplog.text
    assert "The best evaluation is looked for in the events." in caplog.text


def test_nan_is_never_best(estimator: Estimator, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    losses = (math.nan, 0.5, np.float32(math.nan), 0.4)
    made = [export(BestExporter("best", receiver), estimator, tmp_path, loss=loss) for loss in losses]
    assert [path is not None for path in made] == [False, True, False, True]
    assert "Exporter best passes over the evaluation of step 20: what it compares is NaN." in caplog.text


def test_an_infinite_loss_is_beaten_by_any_other_across_a_restart(estimator: Estimator, tmp_path: Path) -> None:
    losses = (math.inf, math.inf, 1e30)
    made = [export(BestExporter("best", receiver), estimator, tmp_path, loss=loss) for loss in losses]
    assert [path is not None for path in made] == [True, False, True]


def test_nan_elsewhere_does_not_matter(estimator: Estimator, tmp_path: Path) -> None:
    def lower(best_eval_result: Mapping[str, Any], current_eval_result: Mapping[str, Any]) -> bool:
        return current_eval_result["rmse"] < best_eval_result.get("rmse")

    for exporter in (
        BestExporter("by_function", receiver, compare_fn=lower),
        BestExporter("by_metric", receiver, metric="rmse"),
    ):
        base = tmp_path / exporter.name
        results = [{"rmse": 0.5, "auc": math.nan}, {"rmse": math.nan, "auc": 0.5}, {"rmse": 0.4, "auc": math.nan}]
        made = [export(exporter, estimator, base, **metrics) for metrics in results]
        assert [path is not None for path in made] == [True, False, True]


def test_a_comparison_that_cannot_be_watched_takes_no_nan(estimator: Estimator, tmp_path: Path) -> None:
    def any_below(best_eval_result: Mapping[str, Any], current_eval_result: Mapping[str, Any]) -> bool:
        return min(*current_eval_result.values()) < 0

    exporter = BestExporter("best", receiver, compare_fn=any_below)
    assert export(exporter, estimator, tmp_path, loss=0.5, auc=math.nan) is None


@pytest.mark.parametrize(("mode", "exported"), [("min", [True, True, False]), ("max", [True, False, True])])
def test_a_metric_and_a_mode_say_what_is_better(
    estimator: Estimator, tmp_path: Path, mode: str, exported: list[bool]
) -> None:
    exporter = BestExporter("best", receiver, metric="auc", mode=mode)
    made = [export(exporter, estimator, tmp_path, loss=0.0, auc=auc) for auc in (0.5, 0.4, 0.6)]
    assert [path is not None for path in made] == exported


def test_a_compare_function_is_called_by_the_names_of_its_arguments(estimator: Estimator, tmp_path: Path) -> None:
    def worse_first(current_eval_result: Mapping[str, Any], best_eval_result: Mapping[str, Any]) -> bool:
        return current_eval_result["loss"] > best_eval_result["loss"]

    exporter = BestExporter("best", receiver, compare_fn=worse_first)
    made = [export(exporter, estimator, tmp_path, loss=loss) for loss in (0.5, 0.4, 0.6)]
    assert [path is not None for path in made] == [True, False, True]


@pytest.mark.parametrize(
    ("compare_fn", "taken"),
    [
        (lambda best, current: True, "best, current"),
        (lambda best_eval_result: True, "best_eval_result"),
        (lambda: True, "no arguments"),
        (lambda best_eval_result, current_eval_result, x: True, "best_eval_result, current_eval_result, x"),
    ],
)
def test_a_compare_function_of_other_arguments_is_refused(compare_fn: Any, taken: str) -> None:
    with pytest.raises(ValueError) as raised:
        BestExporter("best", receiver, compare_fn=compare_fn)
    assert str(raised.value) == (
        f"The compare_fn of exporter best takes {taken}. "
        "It takes best_eval_result and current_eval_result, and nothing else. Name its arguments so"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "rmse", "compare_fn": loss_smaller}, "metric='rmse' and a compare_fn. It takes one of them"),
        ({"metric": "rmse", "mode": "low"}, "mode is 'low'. It takes min or max"),
        ({"mode": "max"}, "mode='max' and no metric. The mode is that of the metric"),
    ],
)
def test_what_is_compared_is_said_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        BestExporter("best", receiver, **arguments)
    assert message in str(raised.value)


def test_a_comparison_names_a_metric_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="The evaluation has no metric 'auc'; it has loss"):
        comparison("auc", "max")({"loss": 1.0}, {"loss": 0.5})
    with pytest.raises(ValueError, match="The current evaluation has no loss: .* Pass a compare_fn of your own"):
        loss_smaller({"loss": 1.0}, {"rmse": 0.5})


def evaluated(directory: Path, losses: dict[int, float]) -> None:
    """The events of an evaluation, as tf.estimator leaves them."""
    events = Events(str(directory))
    for step, loss in losses.items():
        events.scalars({"loss": loss}, step, now=1.0)
    events.close()


def test_the_best_of_an_earlier_run_is_read_from_its_events(tmp_path: Path) -> None:
    model = make(tmp_path).train(batches(), steps=20)
    evaluated(tmp_path / "eval_x", {10: 0.5, 15: math.nan, 20: 0.1})
    exporter = BestExporter("best", receiver, event_file_pattern="eval_x/*.tfevents.*")
    base = tmp_path / "export" / "best"
    assert export(exporter, model, base, step=20, loss=0.6) is None  # the event of step 20 is this evaluation
    assert export(exporter, model, base, step=20, loss=0.4) is not None
    assert export(exporter, model, base, step=20, loss=0.45) is None


def test_exports_of_a_run_that_kept_no_best_are_defended_by_its_events(tmp_path: Path) -> None:
    model = make(tmp_path).train(batches(), steps=20)
    evaluated(tmp_path / "eval", {10: 0.5})
    base = tmp_path / "export" / "best"
    (base / "1000000000").mkdir(parents=True)
    exporter = BestExporter("best", receiver)
    assert export(exporter, model, base, loss=0.6) is None
    assert export(exporter, model, base, loss=0.4) is not None


def test_evaluations_without_exports_defend_nothing(tmp_path: Path) -> None:
    model = make(tmp_path).train(batches(), steps=20)
    evaluated(tmp_path / "eval", {10: 0.5})
    assert export(BestExporter("best", receiver), model, tmp_path / "export", loss=0.6) is not None


def test_the_best_is_never_deleted(estimator: Estimator, tmp_path: Path) -> None:
    exporter = BestExporter("best", receiver, exports_to_keep=1)
    for loss in (0.5, 0.4, 0.6, 0.7):
        export(exporter, estimator, tmp_path, loss=loss)
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["eval_result"]["loss"] == 0.4
    assert exports(tmp_path) == [best["export"]]


def test_metrics_that_json_does_not_know_do_not_stop_an_export(estimator: Estimator, tmp_path: Path) -> None:
    metrics = {"loss": 0.5, "matrix": np.eye(2, dtype=np.float32), "text": b"words"}
    assert export(BestExporter("best", receiver), estimator, tmp_path, **metrics)
    assert export(BestExporter("best", receiver), estimator, tmp_path, **metrics) is None
