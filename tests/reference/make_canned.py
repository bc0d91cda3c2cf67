"""Makes the model directories of `canned/` and their records; runs in an environment with `tensorflow-cpu==2.15.1`.

    PYTHONPATH=. python tests/reference/make_canned.py

A directory is what tf.estimator left after a step, for the variables of canned Estimators begin at random; a record is
of 100 more.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import sines
from benchmarks.estimator_run import Plan, run, write
from tests.reference.make_golden import keep

CANNED = Path(__file__).parent / "canned"
CASES = {
    f"{name}_{version}": optimizer
    for version in ("v1", "v2")
    for name, optimizer in (("normalised_dnn", "Adagrad"), ("linear", "Ftrl"), ("wide_and_deep", "usual"))
} | {"dnn_v2": "Adam"}
STEPS = 100


def plan(case: str, home: Path, name: str, steps: int, copy_of: Path | None = None) -> Plan:
    """A run in `home`, to which its data are written.

    Args:
      case: of CASES.
      home: a directory.
      name: of the run, and of its model directory.
      steps: to make.
      copy_of: a model directory to go on from.
    """
    train_rows, eval_rows = str(home / "train.npy"), str(home / "eval.npy")
    np.save(train_rows, sines.waves(400, seed=1))
    np.save(eval_rows, sines.waves(50, seed=2))
    return Plan(
        name=f"{case}_{name}",
        model=case,
        params={"optimizer": CASES[case]},
        train_rows=train_rows,
        eval_rows=eval_rows,
        model_dir=str(home / name),
        copy_of=str(copy_of) if copy_of else None,
        steps=steps,
    )


def main() -> None:
    shutil.rmtree(CANNED, ignore_errors=True)
    for case in CASES:
        with tempfile.TemporaryDirectory() as home:
            begun = plan(case, Path(home), "begun", steps=1)
            run(begun)
            record = run(plan(case, Path(home), "continued", STEPS, Path(begun.model_dir)))
            for path in Path(begun.model_dir).glob("model.ckpt-0.*"):
                path.unlink()  # what the variables began with, which nothing continues
            keep(Path(begun.model_dir), CANNED / case / "model_dir")
            write(CANNED / case / "records.json", [record])


if __name__ == "__main__":
    main()
