"""Makes the model directories of `golden/` and their records; runs in an environment with `tensorflow-cpu==2.15.1`.

    PYTHONPATH=. python tests/reference/make_golden.py

Of a model_dir the checkpoints and the state file are kept; event files and graphs, a megabyte each, are not.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import sines
from benchmarks.estimator_run import Plan, run, write

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "course_lstm_sgd": ("course_lstm", "sgd"),
    "course_lstm_momentum": ("course_lstm", "momentum"),
    "course_lstm_adam": ("course_lstm", "adam"),
    "dense_adam": ("dense", "adam"),
    "layers_adam": ("layers", "adam"),
}
STEPS = 100
FURTHER_STEPS = 50


def plans(case: str, home: Path, start: Path | None = None) -> tuple[Plan, Plan]:
    """A run from scratch below `home`, and one that goes on from a copy of it (or of `start`).

    The data are written to `home` first: 50 batches of training rows, so that 100 steps end where the data begin again.
    """
    model, optimizer = CASES[case]
    params = {"optimizer": optimizer, "learning_rate": 0.01, "size": 3}
    train_rows, eval_rows = str(home / "train.npy"), str(home / "eval.npy")
    np.save(train_rows, sines.waves(1000, seed=1))
    np.save(eval_rows, sines.waves(50, seed=2))
    trained = Plan(
        name="trained",
        model=model,
        params=params,
        train_rows=train_rows,
        eval_rows=eval_rows,
        model_dir=str(home / "trained"),
        steps=STEPS,
    )
    continued = dataclasses.replace(
        trained,
        name="continued",
        model_dir=str(home / "continued"),
        copy_of=str(start or home / "trained"),
        steps=FURTHER_STEPS,
    )
    return trained, continued


def keep(model_dir: Path, destination: Path) -> None:
    destination.mkdir(parents=True)
    for path in [model_dir / "checkpoint", *model_dir.glob("model.ckpt-*")]:
        if path.suffix != ".meta":
            shutil.copy(path, destination / path.name)


def main() -> None:
    for case in CASES:
        with tempfile.TemporaryDirectory() as home:
            both = plans(case, Path(home))
            records = [run(plan) for plan in both]
            shutil.rmtree(GOLDEN / case, ignore_errors=True)
            keep(Path(both[0].model_dir), GOLDEN / case / "model_dir")
            write(GOLDEN / case / "records.json", records)


if __name__ == "__main__":
    main()
