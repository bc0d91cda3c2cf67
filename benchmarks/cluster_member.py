"""One process of a cluster that TF_CONFIG describes: the course's job, in tf.estimator 2.15 or in `trainer`.

The chief evaluates in neither: tf.estimator's leaves that to an evaluator, and ours is told that there is one.
"""

from __future__ import annotations

import argparse

from benchmarks.model_functions import course_lstm, tf_estimator
from benchmarks.sines import batched_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model_dir", "csv"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("steps", "size", "batch_size", "push_every"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args()
    ours = tf_estimator.__name__.startswith("trainer")
    settings = {"push_every": args.push_every, "separate_evaluator": True} if ours else {}
    config = tf_estimator.RunConfig(save_checkpoints_steps=args.steps // 2, log_step_count_steps=None, **settings)
    params = {"size": args.size, "optimizer": "sgd", "learning_rate": 0.01}
    estimator = tf_estimator.Estimator(course_lstm, args.model_dir, config, params)
    input_fn = batched_csv(args.csv, args.batch_size)
    tf_estimator.train_and_evaluate(
        estimator,
        tf_estimator.TrainSpec(input_fn, max_steps=args.steps),
        tf_estimator.EvalSpec(input_fn, steps=1, throttle_secs=100_000),
    )


if __name__ == "__main__":
    main()
