"""What becomes of a problem of one's own in one process: what it lacks is filled in, what is wrong is said early."""

from __future__ import annotations

import json
import pathlib
import re
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from trainer import task

PROBLEM = """
    import tensorflow as tf
    from trainer import Problem
    from trainer.estimator import EstimatorSpec, LatestExporter, TrainingHook

    def input_fn():
        x = tf.reshape(tf.range(40.0), [20, 2])
        return tf.data.Dataset.from_tensor_slices(({"x": x, "kind": tf.range(20)}, x[:, :1])).batch(10)

    def model_fn(features, labels, mode):
        w = tf.Variable([[0.1], [0.1]], name="w")
        y = features["x"] @ w + tf.cast(features["kind"], tf.float32)[:, None]
        if mode == "infer":
            return EstimatorSpec(mode, predictions={"y": y})
        loss = tf.reduce_mean((y - labels) ** 2)
        train_op = tf.compat.v1.train.GradientDescentOptimizer(1e-5).minimize(loss)
        metrics = {"mae": tf.compat.v1.metrics.mean_absolute_error(labels, y)}
        return EstimatorSpec(mode, predictions=y, loss=loss, train_op=train_op, eval_metric_ops=metrics)

    class Told(TrainingHook):
        def end(self, context):
            print("the hook of the problem was there")

    PROBLEM = Problem(model_fn=model_fn, train_input_fn=lambda: input_fn().repeat(), eval_input_fn=input_fn, ARGUMENTS)
"""


def run(tmp_path: pathlib.Path, arguments: str, *flags: str) -> int:
    path = tmp_path / f"problem_{tmp_path.name}.py"
    path.write_text(textwrap.dedent(PROBLEM).replace("ARGUMENTS", arguments))
    return task.main([f"--problem={path}", f"--output_dir={tmp_path}/out", "--train_steps=5", "--noreport", *flags])


def test_hooks_exporters_baselines_and_the_report_of_a_problem_take_part(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = """metrics={"mae": "min"}, hooks=lambda: [Told()], baselines=lambda: {"mae_zero": 19.0},
        exporters=lambda: [LatestExporter("mine", lambda: None)][:0], report=lambda summary: f"at {summary.global_step}"
    """
    assert run(tmp_path, arguments) == 0
    printed = capfd.readouterr().out
    assert "the hook of the problem was there" in printed
    assert "  zero                                  19   beaten" in printed
    assert printed.rstrip().endswith("at 5")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert set(summary["metrics"]) == {"mae", "loss", "global_step"}


def test_clients_send_the_features_or_examples_of_them_where_a_problem_does_not_say(tmp_path: pathlib.Path) -> None:
    assert run(tmp_path, 'metrics={"loss": "min"}') == 0
    (export,) = (tmp_path / "out" / "export" / "latest").iterdir()
    loaded = tf.saved_model.load(str(export))
    x, kind = np.ones([3, 2], np.float32), np.arange(3, dtype=np.int32)
    dense = loaded.signatures["serving_default"](x=tf.constant(x), kind=tf.constant(kind))["y"]
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    "x": tf.train.Feature(float_list=tf.train.FloatList(value=row)),
                    "kind": tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
                }
            )
        ).SerializeToString()
        for row, number in zip(x, kind, strict=True)
    ]
    parsed = loaded.signatures["examples:serving_default"](examples=tf.constant(examples))["y"]
    np.testing.assert_array_equal(dense, parsed)


def test_training_ends_when_the_score_no_longer_gets_better(tmp_path: pathlib.Path) -> None:
    flags = ["--train_steps=100", "--save_checkpoints_steps=10", "--min_eval_frequency=0", "--early_stopping_steps=20"]
    assert run(tmp_path, 'metrics={"mae": "max"}', *flags) == 0  # the error falls, so that the first is never reached
    done = json.loads((tmp_path / "out" / "training_done.json").read_text())
    assert done["reason"] == "early_stop"
    assert 30 <= done["global_step"] <= 50
    assert run(tmp_path, 'metrics={"mae": "min"}', *flags, "--early_stopping_min_delta=1e9") == 0


def test_the_best_export_is_that_of_the_score(tmp_path: pathlib.Path) -> None:
    assert run(tmp_path, 'metrics={"mae": "min"}', "--exporter=best") == 0
    assert len(list((tmp_path / "out" / "export" / "best").glob("[0-9]*"))) == 1


@pytest.mark.parametrize(
    ("arguments", "flags", "message"),
    [
        ('metrics={"maee": "min"}', [], "scored by 'maee', but its evaluation reports mae, loss.*Did you mean mae"),
        ('metrics={"mae": "min"}', ["--hyperparameter_metric_tag=rmse"], "tag=rmse, which no evaluation of this"),
        ('metrics={"mae": "min"}, make_estimator=lambda: 3', [], "PROBLEM has model_fn and make_estimator"),
    ],
)
def test_a_score_that_nothing_reports_is_refused_before_training(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str], arguments: str, flags: list[str], message: str
) -> None:
    assert run(tmp_path, arguments, *flags) == 2
    printed = capfd.readouterr().err
    assert re.search(message, printed), printed
    assert not list((tmp_path / "out").glob("model.ckpt-*"))
