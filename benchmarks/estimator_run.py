"""Runs a list of small jobs, in order, in the environment of the interpreter that it is started with.

    PYTHONPATH=. python -m benchmarks.estimator_run PLANS.json RECORDS.json

Under TensorFlow 2.15 the jobs run in tf.estimator, under a current one in `trainer.estimator`: the same file serves
both, so that whatever differs in the records comes from the packages.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

BATCH_SIZE = 20
PREDICTED_ROWS = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A job: perhaps continue a model_dir, train, evaluate, predict.

    Attributes:
      name: key of the record.
      model: a key of MODEL_FUNCTIONS.
      params: of the model function.
      train_rows, eval_rows: `.npy` files, float32 [rows, 10]; read in their order, in batches of 20.
      model_dir: where the job writes; must not hold a run unless it is to be continued.
      copy_of: a model_dir that is copied to `model_dir` first; None for a fresh start.
      steps: to train for, on top of what the model_dir holds; 0 trains not at all.
      summary_steps: steps between summaries; 1 records the loss of every step.
      jit_level: of the session config: -1 keeps XLA out, 1 has it make all steps, 0 is each package's usual way.
      nudged: each weight is moved by about a bit after each step, so that the end shows what rounding makes of it.
    """

    name: str
    model: str
    params: dict[str, Any]
    train_rows: str
    eval_rows: str
    model_dir: str
    copy_of: str | None = None
    steps: int = 100
    summary_steps: int = 1
    jit_level: int = 0
    nudged: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What a job left behind.

    Attributes:
      metrics_before: of `evaluate` on what was copied; None after a fresh start.
      losses: loss by global step, as the events of the model_dir tell it (a step counts from 1).
      metrics: of `evaluate` at the end.
      variables: values by name at the end.
      predictions: for the first 20 rows of `eval_rows`, [20, 1].
    """

    name: str
    package: str
    metrics_before: dict[str, float] | None
    losses: dict[int, float]
    metrics: dict[str, float]
    variables: dict[str, Any]
    predictions: list[list[float]]


def run_in(python: str, plans: Sequence[Plan], directory: Path) -> dict[str, Record]:
    """Runs the plans in a process of their own under an interpreter; records by name.

    Args:
      python: the interpreter.
      plans: in the order in which they run.
      directory: for the plans, the records and the log.

    Raises:
      SystemExit: the process failed; the end of its log is shown.
    """
    rows, records, log = directory / "plans.json", directory / "records.json", directory / "log.txt"
    write(rows, plans)
    root = Path(__file__).resolve().parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [python, "-m", "benchmarks.estimator_run", str(rows), str(records)]
    with log.open("w") as output:
        done = subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} exited {done.returncode}. Its log ends:\n{log.read_text()[-3000:]}")
    return {record.name: record for record in read_records(records)}


def losses(model_dir: str) -> dict[int, float]:
    """The `loss` of every step that the event files of a model_dir hold."""
    import tensorflow as tf

    found = {}
    for path in sorted(Path(model_dir).glob("events.out.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag == "loss":
                    scalar = value.simple_value if value.HasField("simple_value") else tf.make_ndarray(value.tensor)
                    found[int(event.step)] = float(scalar)
    return found


def numbers(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in sorted(metrics.items())}


def read(plan: Plan, rows: np.ndarray, epochs: int | None) -> Any:
    """The dataset of rows in their order, as the plan's model takes them; `epochs` None repeats for ever."""
    from benchmarks import sines
    from benchmarks.canned_models import CANNED, with_categories

    dataset = sines.in_order(rows, BATCH_SIZE, epochs)()
    return with_categories(dataset) if plan.model in CANNED else dataset


def session_config(jit_level: int) -> Any:
    """A session config that asks for XLA (1) or for none (-1); None for 0."""
    import tensorflow as tf

    if not jit_level:
        return None
    config = tf.compat.v1.ConfigProto()
    config.graph_options.optimizer_options.global_jit_level = jit_level
    return config


def nudges() -> Any:
    """A hook for tf.estimator that moves each weight to a number next to it after each step, by a seeded coin."""
    import tensorflow as tf

    class Nudges(tf.compat.v1.train.SessionRunHook):
        def begin(self) -> None:
            variables = tf.compat.v1.trainable_variables()
            # The last bit of a float32 is between 6e-8 and 1.2e-7 of it.
            coins = [tf.sign(tf.random.uniform(variable.shape, -1.0, 1.0, seed=1)) for variable in variables]
            moved = zip(variables, coins, strict=True)
            self._moves = [variable.assign(variable * (1.0 + 1.2e-7 * coin)) for variable, coin in moved]

        def after_run(self, run_context: Any, run_values: Any) -> None:
            run_context.session.run(self._moves)

    return Nudges()


def run(plan: Plan) -> Record:
    """Does what the plan says, in this process."""
    from benchmarks.canned_models import CANNED
    from benchmarks.model_functions import MODEL_FUNCTIONS, tf_estimator

    if plan.copy_of:
        shutil.copytree(plan.copy_of, plan.model_dir)
    config = tf_estimator.RunConfig(
        tf_random_seed=1, save_summary_steps=plan.summary_steps, session_config=session_config(plan.jit_level)
    )
    if plan.model in CANNED:
        estimator = CANNED[plan.model](plan.model_dir, config, dict(plan.params))
    else:
        estimator = tf_estimator.Estimator(MODEL_FUNCTIONS[plan.model], plan.model_dir, config, dict(plan.params))
    train_rows, eval_rows = np.load(plan.train_rows), np.load(plan.eval_rows)
    eval_fn = functools.partial(read, plan, eval_rows, 1)
    before = numbers(estimator.evaluate(eval_fn)) if plan.copy_of else None
    if plan.steps:
        hooks = [nudges()] if plan.nudged else None
        estimator.train(functools.partial(read, plan, train_rows, None), hooks=hooks, steps=plan.steps)
    predict_fn = functools.partial(read, plan, eval_rows[:PREDICTED_ROWS], 1)
    return Record(
        name=plan.name,
        package=tf_estimator.__name__,
        metrics_before=before,
        losses=losses(plan.model_dir),
        metrics=numbers(estimator.evaluate(eval_fn)),
        variables={name: estimator.get_variable_value(name).tolist() for name in estimator.get_variable_names()},
        # Canned regressors have their own word for it.
        predictions=[row.get("predicted", row.get("predictions")).tolist() for row in estimator.predict(predict_fn)],
    )


def write(path: Path, rows: Sequence[Plan] | Sequence[Record]) -> None:
    path.write_text(json.dumps([dataclasses.asdict(row) for row in rows]) + "\n")


def read_records(path: Path) -> list[Record]:
    rows = json.loads(path.read_text())
    return [Record(**{**row, "losses": {int(step): loss for step, loss in row["losses"].items()}}) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plans", type=Path, help="JSON list of plans")
    parser.add_argument("records", type=Path, help="where the JSON list of records goes")
    arguments = parser.parse_args()
    plans = [Plan(**row) for row in json.loads(arguments.plans.read_text())]
    write(arguments.records, [run(plan) for plan in plans])


if __name__ == "__main__":
    main()
