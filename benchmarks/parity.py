"""`trainer.estimator` beside tf.estimator 2.15: same model functions, initial weights and data order; prints a table.

    python -m benchmarks.parity [--reference_python=PYTHON_WITH_2.15]

Without an interpreter of the reference, one is installed below --work_dir. Exits 1 when a figure is above its bound.

The reference makes its steps as a graph. Canned Estimators are compared as a graph too, and compiled by XLA from their
first step. XLA rounds otherwise in every step: that may differ by no more than the reference differs from
itself when each of its weights is moved by a bit after every step.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import environments, sines
from benchmarks.estimator_run import Plan, Record, run_in

STEPS = 100
FURTHER_STEPS = 50
CASES = (
    ("course_lstm", "sgd"),
    ("course_lstm", "momentum"),
    ("course_lstm", "adam"),
    ("dense", "sgd"),
    ("dense", "adam"),
    ("layers", "adam"),
)
# Their variables begin at random, so both packages go on from a step that tf.estimator has made.
CANNED_CASES = (
    ("dnn_v1", "Adagrad"),
    ("dnn_v1", "RMSProp"),
    ("dnn_v2", "Adagrad"),
    ("dnn_v2", "Adam"),
    ("dnn_v2", "RMSProp"),
    ("dnn_v2", "SGD"),
    ("normalised_dnn_v1", "Adagrad"),
    ("normalised_dnn_v2", "Adagrad"),
    ("linear_v1", "Ftrl"),
    ("linear_v2", "Ftrl"),
    ("wide_and_deep_v1", "usual"),
    ("wide_and_deep_v2", "usual"),
)
LOSSES_BOUND, BOUND = 1e-6, 1e-5
AS_A_GRAPH, COMPILED = -1, 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """The greatest absolute differences between two runs; None where there was nothing to compare.

    Attributes:
      model, optimizer: of the case.
      what: which two runs.
      steps: how many losses were compared.
      losses, metrics, weights, predictions: differences; losses relative where they are above 1, metrics are all of
        `evaluate`'s, weights all variables of the checkpoint relative to the largest of their tensor.
      noise: the reference beside itself, where a difference of that size counts as none.
    """

    model: str
    optimizer: str
    what: str
    steps: int
    losses: float | None
    metrics: float
    weights: float | None
    predictions: float | None
    noise: Comparison | None = None

    @property
    def figures(self) -> tuple[float, ...]:
        """The differences, 0 where there was nothing to compare."""
        return tuple(each or 0.0 for each in (self.losses, self.metrics, self.weights, self.predictions))

    @property
    def within(self) -> bool:
        noise = self.noise.figures if self.noise else (0.0,) * 4
        bounds = (LOSSES_BOUND, BOUND, BOUND, BOUND)
        return all(figure <= max(pair) for figure, *pair in zip(self.figures, bounds, noise, strict=True))


def greatest(first: Iterable[Any], second: Iterable[Any]) -> float:
    """The greatest absolute difference between two lists of numbers; nan and a different length count as infinite."""
    one, other = np.asarray(list(first), float), np.asarray(list(second), float)
    if one.shape != other.shape:
        return float("inf")
    return float(np.nan_to_num(np.abs(one - other), nan=np.inf).max(initial=0.0))


def losses_apart(first: list[float], second: list[float]) -> float:
    """The greatest difference of any loss, over the loss where that is above 1, as sums over a batch are."""
    sizes = [max(1.0, abs(loss)) for loss in first]
    return greatest(np.asarray(first) / sizes, np.asarray(second) / sizes)


def weights_apart(first: dict[str, Any], second: dict[str, Any]) -> float:
    """The greatest difference of any variable, over the largest value of its tensor (1 where that is less)."""
    if first.keys() != second.keys():
        return float("inf")
    return max(
        greatest(np.ravel(first[name]), np.ravel(second[name])) / max(1.0, float(np.abs(first[name]).max()))
        for name in first
    )


def metrics_apart(first: dict[str, float], second: dict[str, float]) -> float:
    if first.keys() != second.keys():
        return float("inf")
    return losses_apart(list(first.values()), [second[name] for name in first])


def compare(case: tuple[str, str], what: str, expected: Record, got: Record, first_step: int = 1) -> Comparison:
    """Everything of two runs that ended at the same step; losses from `first_step` on, where both recorded them."""
    steps = sorted(step for step in expected.losses.keys() & got.losses.keys() if step >= first_step)
    return Comparison(
        model=case[0],
        optimizer=case[1],
        what=what,
        steps=len(steps),
        losses=losses_apart([expected.losses[step] for step in steps], [got.losses[step] for step in steps]),
        metrics=metrics_apart(expected.metrics, got.metrics),
        weights=weights_apart(expected.variables, got.variables),
        predictions=greatest(np.ravel(expected.predictions), np.ravel(got.predictions)),
    )


def compare_evaluation(case: tuple[str, str], expected: Record, got: Record) -> Comparison:
    """The evaluation of one and the same model_dir, by its maker and by the other package."""
    return Comparison(
        model=case[0],
        optimizer=case[1],
        what="its model_dir evaluated by ours",
        steps=0,
        losses=None,
        metrics=metrics_apart(expected.metrics, got.metrics_before or {}),
        weights=None,
        predictions=None,
    )


def plan(case: tuple[str, str], home: Path, maker: str, kind: str, **changes: Any) -> Plan:
    """A job of `maker` (reference or ours) in a directory of its own below `home`."""
    model, optimizer = case
    return Plan(
        name=f"{model}_{optimizer}_{kind}",
        model=model,
        params={"optimizer": optimizer, "learning_rate": 0.01, "size": 3},
        train_rows=str(home / "train.npy"),
        eval_rows=str(home / "eval.npy"),
        model_dir=model_dir(case, home, maker, kind),
        **changes,
    )


def begun(case: tuple[str, str], home: Path) -> dict[str, Any]:
    """How a run from scratch begins: a canned one as a graph, after a step that the reference made."""
    if case not in CANNED_CASES:
        return {}
    return {"copy_of": model_dir(case, home, "theirs", "seeded"), "jit_level": AS_A_GRAPH}


def model_dir(case: tuple[str, str], home: Path, maker: str, kind: str) -> str:
    return str(home / maker / f"{case[0]}_{case[1]}_{kind}")


def continuation(case: tuple[str, str], home: Path, maker: str, of: str) -> Plan:
    """`maker` goes on from a copy of what `of` trained."""
    changes = begun(case, home) | {"copy_of": model_dir(case, home, of, "trained"), "steps": FURTHER_STEPS}
    return plan(case, home, maker, f"continued_from_{of}", **changes)


def run_all(python: str, home: Path) -> list[Comparison]:
    """Three processes, one after the other: the reference, ours, and the reference on what ours left."""
    np.save(home / "train.npy", sines.waves(1000, seed=1))
    np.save(home / "eval.npy", sines.waves(50, seed=2))
    for name in ("first", "second", "third"):
        (home / name).mkdir()
    cases = CASES + CANNED_CASES
    seeded = [plan(case, home, "theirs", "seeded", steps=1) for case in CANNED_CASES]
    trained = {
        maker: [plan(case, home, maker, "trained", steps=STEPS, **begun(case, home)) for case in cases]
        for maker in ("theirs", "ours")
    }
    nudged = [
        plan(case, home, "theirs", "nudged", steps=STEPS, **begun(case, home), nudged=True) for case in CANNED_CASES
    ]
    went_on = [continuation(case, home, "theirs", "theirs") for case in cases]
    theirs = run_in(python, [*seeded, *trained["theirs"], *nudged, *went_on], home / "first")
    looped = [
        plan(case, home, "ours", "looped", steps=STEPS, summary_steps=STEPS, **begun(case, home)) for case in cases
    ]
    compiled = [
        plan(case, home, "ours", "compiled", steps=STEPS, **begun(case, home) | {"jit_level": COMPILED})
        for case in CANNED_CASES
    ]
    taken_over = [continuation(case, home, "ours", "theirs") for case in cases]
    ours = run_in(sys.executable, [*trained["ours"], *looped, *compiled, *taken_over], home / "second")
    back = run_in(python, [continuation(case, home, "theirs", "ours") for case in cases], home / "third")
    return [row for case in cases for row in comparisons(case, theirs, ours, back)]


def comparisons(
    case: tuple[str, str], theirs: dict[str, Record], ours: dict[str, Record], back: dict[str, Record]
) -> list[Comparison]:
    """The five rows of one case, and of a canned one two more."""
    prefix = f"{case[0]}_{case[1]}"
    trained, went_on = theirs[f"{prefix}_trained"], theirs[f"{prefix}_continued_from_theirs"]
    taken_over = ours[f"{prefix}_continued_from_theirs"]
    returned = back[f"{prefix}_continued_from_ours"]
    last = max(trained.losses)
    rows = [
        compare(case, "from scratch, a summary each step", trained, ours[f"{prefix}_trained"]),
        compare(case, "from scratch, many steps a call", trained, ours[f"{prefix}_looped"]),
        compare_evaluation(case, trained, taken_over),
        compare(case, "its model_dir continued by ours", went_on, taken_over, first_step=last + 1),
        compare(case, "our model_dir continued by it", went_on, returned, first_step=last + 1),
    ]
    if case not in CANNED_CASES:
        return rows
    noise = compare(case, "itself, its weights moved by a bit each step", trained, theirs[f"{prefix}_nudged"])
    compiled = compare(case, "from scratch, compiled by XLA", trained, ours[f"{prefix}_compiled"])
    return [dataclasses.replace(row, noise=noise) for row in (*rows, compiled, noise)]


def table(rows: list[Comparison]) -> str:
    """The comparisons as a Markdown table."""
    lines = ["| model | optimizer | beside tf.estimator 2.15 | losses | metrics | variables | predictions |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        losses = "—" if row.losses is None else f"{row.losses:.1e} ({row.steps} steps)"
        figures = [f"{row.metrics:.1e}", *("—" if x is None else f"{x:.1e}" for x in (row.weights, row.predictions))]
        mark = "" if row.within else " **above its bound**"
        lines.append(f"| {row.model} | {row.optimizer} | {row.what}{mark} | {losses} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference_python", help="an interpreter that has tensorflow-cpu==2.15.1")
    parser.add_argument("--work_dir", type=Path, default=environments.HOME, help="keeps the reference's environment")
    arguments = parser.parse_args()
    python = environments.interpreter("reference", arguments.reference_python, arguments.work_dir)
    with tempfile.TemporaryDirectory() as home:
        rows = run_all(python, Path(home))
    print(table(rows))
    return 0 if all(row.within for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
