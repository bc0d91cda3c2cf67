"""One evaluation after another: what listeners and exporters are told, and what the last one does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.estimator.one_weight import batches, make, receiver
from trainer.estimator import EvalSpec, FinalExporter, LatestExporter
from trainer.estimator.evaluation.evaluations import Evaluations


def evaluations(directory: Path, told: list[str], now: list[float]) -> Evaluations:
    def listen(metrics: Mapping[str, Any], checkpoint_path: str) -> None:
        assert metrics["global_step"] == int(checkpoint_path.rpartition("-")[2])
        told.append(Path(checkpoint_path).name)

    exporters = [LatestExporter("latest", receiver), FinalExporter("final", receiver)]
    return Evaluations(make(directory), EvalSpec(batches(1), steps=None, exporters=exporters), [listen], lambda: now[0])


def exported(directory: Path) -> tuple[int, int]:
    counts = [len(list((directory / "export" / name).glob("[0-9]*"))) for name in ("latest", "final")]
    return counts[0], counts[1]


def test_the_end_evaluates_what_is_new_and_exports_the_final_model_once(tmp_path: Path) -> None:
    told: list[str] = []
    found = evaluations(tmp_path, told, [0.0])
    make(tmp_path).train(batches(), max_steps=10)
    found.evaluate(final=False)
    make(tmp_path).train(batches(), max_steps=20)
    found.finish()
    found.finish()
    assert told == ["model.ckpt-10", "model.ckpt-20"]
    assert exported(tmp_path) == (2, 1)


def test_an_evaluation_that_turns_out_to_be_the_last_is_not_made_again_for_the_final_export(tmp_path: Path) -> None:
    told: list[str] = []
    found = evaluations(tmp_path, told, [0.0])
    make(tmp_path).train(batches(), max_steps=10)
    found.evaluate(final=False)
    found.finish()
    assert told == ["model.ckpt-10"]
    assert exported(tmp_path) == (1, 1)
    assert found.export_results is not None and None not in found.export_results


def test_what_an_earlier_process_evaluated_is_exported_finally_without_another_evaluation(tmp_path: Path) -> None:
    told: list[str] = []
    found = evaluations(tmp_path, told, [0.0])
    make(tmp_path).train(batches(), max_steps=10)
    found.recall(str(tmp_path / "model.ckpt-10"), {"loss": 1.0, "global_step": 10})
    found.finish()
    assert told == []
    assert exported(tmp_path) == (0, 1)


def test_time_counts_from_the_beginning_of_an_evaluation(tmp_path: Path) -> None:
    now = [5.0]
    found = evaluations(tmp_path, [], now)
    assert found.secs_since_last() == float("inf")
    make(tmp_path).train(batches(), max_steps=10)
    found.evaluate(final=False)
    now[0] = 12.0
    assert found.secs_since_last() == 7.0
