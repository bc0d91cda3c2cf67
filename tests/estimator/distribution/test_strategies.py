"""Which strategy a cluster and the settings ask for, and what each refuses before anything is computed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator import RunConfig
from trainer.estimator.distribution import collectives, strategies
from trainer.job.cluster import Cluster
from trainer.job.errors import UsageError

ONE_EACH = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}


def config(monkeypatch: pytest.MonkeyPatch, cluster: Any, task_type: str, **settings: Any) -> RunConfig:
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": task_type, "index": 0}}))
    return RunConfig(**settings)


@pytest.mark.parametrize(
    ("cluster", "task_type", "distribution"),
    [
        (ONE_EACH, "chief", "ps"),
        (ONE_EACH, "worker", "ps"),
        (ONE_EACH, "ps", "ps"),
        (ONE_EACH, "evaluator", "local"),
        ({"chief": ["a:1"], "worker": ["b:1"]}, "chief", "sync"),
        ({"chief": ["a:1"], "worker": ["b:1"]}, "worker", "sync"),
        ({"chief": ["a:1"]}, "chief", "local"),
    ],
)
def test_the_cluster_says_how_processes_share_the_work(
    monkeypatch: pytest.MonkeyPatch, cluster: Any, task_type: str, distribution: str
) -> None:
    assert config(monkeypatch, cluster, task_type).distribution == distribution


def test_one_process_trains_alone() -> None:
    assert isinstance(strategies.choose(RunConfig()), strategies.Alone)
    for given in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["/device:CPU:0"])):
        assert isinstance(strategies.choose(RunConfig(train_distribute=given)), strategies.Alone)


def test_a_strategy_of_one_process_is_refused_where_several_train(monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored = tf.distribute.MirroredStrategy(["/device:CPU:0"])
    with pytest.raises(ValueError) as raised:
        config(monkeypatch, {"chief": ["a:1"], "worker": ["b:1"]}, "worker", train_distribute=mirrored)
    assert str(raised.value) == (
        f"RunConfig was given train_distribute={mirrored!r}, and 2 processes train. "
        "It is for the devices of one process. Take MultiWorkerMirroredStrategy, or leave it out"
    )
    evaluator = config(monkeypatch, {"chief": ["a:1"], "worker": ["b:1"]}, "evaluator", train_distribute=mirrored)
    assert evaluator.distribution == "local"


def test_a_strategy_for_evaluation_may_name_devices_of_one_process() -> None:
    assert RunConfig(eval_distribute=tf.distribute.OneDeviceStrategy("/device:CPU:0")).distribution == "local"


def test_workers_that_connect_after_something_was_computed_are_told_what_to_do() -> None:
    tf.constant(1.0)
    cluster = Cluster(jobs={"chief": {0: "127.0.0.1:1"}, "worker": {0: "127.0.0.1:2"}}, task_type="chief", task_id=0)
    with pytest.raises(UsageError) as raised:
        collectives.join(cluster)
    assert str(raised.value) == (
        "TensorFlow computed something before the synchronous workers connected, as building a Keras model does. "
        "Accepted: workers that connect before anything is computed. "
        "Call tf.distribute.MultiWorkerMirroredStrategy() first and give it to RunConfig(train_distribute=...)."
    )
