"""The settings of a run: defaults, checks, copies, and the cluster in the environment."""

from __future__ import annotations

import copy
import json
import types
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator import RunConfig
from trainer.estimator.contract.run_config import without_meaning
from trainer.estimator.contract.xla_use import XlaUse, asked_for
from trainer.job.cluster import Cluster


def test_the_defaults_are_the_references() -> None:
    config = RunConfig()
    assert (config.model_dir, config.tf_random_seed) == (None, None)
    assert (config.save_summary_steps, config.log_step_count_steps) == (100, 100)
    assert (config.save_checkpoints_steps, config.save_checkpoints_secs) == (None, 600)
    assert (config.keep_checkpoint_max, config.keep_checkpoint_every_n_hours) == (5, 10000)
    assert (config.train_distribute, config.eval_distribute) == (None, None)


def test_without_a_cluster_the_process_is_a_worker_and_chief() -> None:
    config = RunConfig()
    assert (config.task_type, config.task_id, config.is_chief) == ("worker", 0, True)
    assert (config.cluster_spec.as_dict(), config.num_ps_replicas, config.num_worker_replicas) == ({}, 0, 1)
    assert (config.global_id_in_cluster, config.has_evaluator) == (0, False)


def test_the_cluster_is_that_of_tf_config(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}
    task = {"type": "worker", "index": 1}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    config = RunConfig()
    assert (config.task_type, config.task_id, config.is_chief) == ("worker", 1, False)
    assert (config.num_ps_replicas, config.num_worker_replicas, config.global_id_in_cluster) == (1, 3, 2)
    assert config.cluster_spec.as_dict() == cluster


def test_a_cluster_that_was_read_before_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "this is not looked at")
    cluster = Cluster(jobs={"chief": {0: "a:1"}, "worker": {0: "b:1"}}, task_type="worker")
    config = RunConfig(cluster=cluster)
    assert config.cluster is cluster
    assert (config.task_type, config.distribution) == ("worker", "sync")


def test_a_wrong_tf_config_is_refused_when_the_config_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}')
    with pytest.raises(ValueError, match="chief"):
        RunConfig()


def test_a_copy_stays_in_the_cluster_that_the_config_was_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {"chief": ["a:1"], "evaluator": ["b:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "chief", "index": 0}}))
    config = RunConfig()
    monkeypatch.delenv("TF_CONFIG")
    for made in (copy.deepcopy(config), config.replace(model_dir="elsewhere")):
        assert (made.task_type, made.has_evaluator) == ("chief", True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model_dir": ""}, "RunConfig was given model_dir ''. It takes a path"),
        ({"tf_random_seed": 1.5}, "tf_random_seed=1.5. It takes an integer, or None"),
        ({"tf_random_seed": "7"}, "tf_random_seed='7'. It takes an integer, or None"),
        ({"save_summary_steps": -1}, "save_summary_steps=-1. It takes 0 or more, or None"),
        ({"save_checkpoints_steps": -1}, "save_checkpoints_steps=-1. It takes 0 or more, or None"),
        ({"save_checkpoints_secs": "1"}, "save_checkpoints_secs='1'. It takes 0 or more, or None"),
        ({"keep_checkpoint_max": -1}, "keep_checkpoint_max=-1. It takes 0 or more, or None"),
        ({"keep_checkpoint_every_n_hours": 0}, "keep_checkpoint_every_n_hours=0. It takes more than 0, or None"),
        ({"log_step_count_steps": -1}, "log_step_count_steps=-1. It takes more than 0, or None"),
        ({"log_step_count_steps": 0}, "log_step_count_steps=0. It takes more than 0, or None"),
        ({"session_creation_timeout_secs": 0}, "session_creation_timeout_secs=0. It takes more than 0, or None"),
        ({"session_config": {}}, "session_config={}. It takes a ConfigProto, or None"),
        ({"device_fn": print}, "It takes a function of one argument, op, or None"),
        ({"protocol": "http"}, "protocol='http'. It takes 'grpc' or 'grpc+verbs', or None"),
        ({"experimental_max_worker_delay_secs": "5"}, "It takes an integer, or None"),
        ({"steps_per_loop": 0}, "steps_per_loop=0. It takes 1 or more, or None"),
        ({"train_distribute": object()}, "It takes OneDeviceStrategy, MirroredStrategy, MultiWorkerMirroredStrategy"),
        ({"eval_distribute": object()}, "It takes OneDeviceStrategy, MirroredStrategy, MultiWorkerMirroredStrategy"),
        ({"strategy": "ps"}, "strategy='ps' in a cluster without parameter servers"),
        ({"strategy": "sync"}, "strategy='sync' for one process"),
        ({"strategy": "best"}, "It takes auto, local, ps or sync"),
        ({"push_every": 0}, "push_every=0. It takes 1 or more"),
        (
            {"save_checkpoints_steps": 5, "save_checkpoints_secs": 5},
            "save_checkpoints_steps=5 and save_checkpoints_secs=5. It takes one of them",
        ),
    ],
)
def test_a_setting_out_of_range_says_what_is_accepted(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        RunConfig(**given)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("given", "steps", "secs", "saves"),
    [
        ({}, None, 600, True),
        ({"save_checkpoints_steps": 5}, 5, None, True),
        ({"save_checkpoints_secs": 5}, None, 5, True),
        ({"save_checkpoints_steps": 5, "save_checkpoints_secs": None}, 5, None, True),
        ({"save_checkpoints_steps": None, "save_checkpoints_secs": None}, None, None, False),
        ({"save_checkpoints_steps": None}, None, None, False),
        ({"save_checkpoints_secs": None}, None, None, False),
        ({"save_checkpoints_steps": 0}, 0, None, False),
        ({"save_checkpoints_secs": 0}, None, 0, False),
    ],
)
def test_one_cadence_of_saving_takes_the_place_of_the_default(
    given: dict[str, Any], steps: int | None, secs: float | None, saves: bool
) -> None:
    config = RunConfig(**given)
    assert (config.save_checkpoints_steps, config.save_checkpoints_secs) == (steps, secs)
    assert config.saves_checkpoints is saves


@pytest.mark.parametrize(
    ("start", "changes", "steps", "secs"),
    [
        ({}, {"save_checkpoints_steps": 5}, 5, None),
        ({"save_checkpoints_steps": 5}, {"save_checkpoints_secs": 7}, None, 7),
        ({}, {"save_checkpoints_steps": None}, None, 600),
        ({"save_checkpoints_steps": 5}, {"save_checkpoints_secs": None}, 5, None),
        ({}, {"save_checkpoints_steps": None, "save_checkpoints_secs": None}, None, None),
        ({"save_checkpoints_steps": 5}, {"model_dir": "d"}, 5, None),
    ],
)
def test_replace_gives_one_cadence_of_saving(
    start: dict[str, Any], changes: dict[str, Any], steps: int | None, secs: float | None
) -> None:
    config = RunConfig(**start).replace(**changes)
    assert (config.save_checkpoints_steps, config.save_checkpoints_secs) == (steps, secs)


def test_replace_leaves_the_original_and_checks_the_copy() -> None:
    config = RunConfig(tf_random_seed=1)
    assert config.replace(tf_random_seed=2).tf_random_seed == 2
    assert config.tf_random_seed == 1
    with pytest.raises(ValueError, match="keep_checkpoint_max=-1. It takes 0 or more"):
        config.replace(keep_checkpoint_max=-1)
    with pytest.raises(ValueError, match="It takes one of them"):
        config.replace(save_checkpoints_steps=1, save_checkpoints_secs=1)


def test_replace_names_an_unknown_setting_and_the_known_ones() -> None:
    with pytest.raises(ValueError, match="replace was given sessions. It takes model_dir, tf_random_seed"):
        RunConfig().replace(sessions=None)


def test_settings_of_a_session_are_taken_and_named_as_without_meaning() -> None:
    config = RunConfig(session_config=tf.compat.v1.ConfigProto(), protocol=None, device_fn=None)
    assert without_meaning(config.replace(save_summary_steps=5)) == ["session_config"]
    assert without_meaning(RunConfig(session_creation_timeout_secs=60, checkpoint_save_graph_def=None)) == [
        "session_creation_timeout_secs"
    ]


@pytest.mark.parametrize(
    ("level", "use"),
    [(-1, XlaUse.NEVER), (0, XlaUse.WHERE_IT_PAYS), (1, XlaUse.AT_ONCE), (2, XlaUse.AT_ONCE)],
)
def test_the_jit_level_of_a_session_config_has_a_meaning_and_the_rest_has_none(level: int, use: XlaUse) -> None:
    session_config = tf.compat.v1.ConfigProto()
    session_config.graph_options.optimizer_options.global_jit_level = level
    config = RunConfig(session_config=session_config)
    assert asked_for(config.session_config) is use
    assert without_meaning(config) == ([] if level else ["session_config"])
    session_config.allow_soft_placement = True
    assert without_meaning(config.replace(session_config=session_config)) == ["session_config"]


def test_the_strategies_of_a_distribute_config_are_taken() -> None:
    given = types.SimpleNamespace(train_distribute=tf.distribute.get_strategy(), eval_distribute=None)
    assert RunConfig(experimental_distribute=given).train_distribute is given.train_distribute


def test_a_config_cannot_be_changed_in_place() -> None:
    config = RunConfig()
    with pytest.raises(AttributeError, match=r"Make another one: config.replace\(save_summary_steps=...\)"):
        config.save_summary_steps = 1
    with pytest.raises(AttributeError):
        config.task_type = "ps"  # type: ignore[misc]


def test_a_path_object_becomes_a_string() -> None:
    assert RunConfig(Path("a") / "b").model_dir == "a/b"


class OfATeam(RunConfig):
    """As programs write them: a setting more, set before and after, and settings given as properties."""

    def __init__(self, team: str, saves_every: int) -> None:
        self.team = team
        super().__init__(model_dir="runs")
        self._saves_every = saves_every

    @property
    def save_checkpoints_steps(self) -> int:  # type: ignore[override]
        return self._saves_every

    @property
    def is_chief(self) -> bool:
        return False


def test_a_class_below_has_an_init_settings_and_properties_of_its_own_and_copies_keep_them() -> None:
    for config in (OfATeam("ads", 7), OfATeam("ads", 7).replace(tf_random_seed=3), copy.deepcopy(OfATeam("ads", 7))):
        assert (config.team, config.save_checkpoints_steps, config.is_chief) == ("ads", 7, False)
        assert config.model_dir == "runs"
    assert OfATeam("ads", 7).replace(tf_random_seed=3).tf_random_seed == 3
    with pytest.raises(ValueError, match="save_summary_steps=-1"):
        OfATeam("ads", 7).replace(save_summary_steps=-1)


def test_a_config_keeps_what_a_program_notes_on_it() -> None:
    config = RunConfig()
    config.use_tpu = False  # type: ignore[attr-defined]
    assert config.replace(model_dir="runs").use_tpu is False  # type: ignore[attr-defined]


def test_the_model_dir_of_tf_config_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps({"model_dir": "/runs/1"}))
    assert RunConfig().model_dir == RunConfig(model_dir="/runs/1").model_dir == "/runs/1"
    assert RunConfig().replace(model_dir="/runs/2").model_dir == "/runs/2"
    with pytest.raises(ValueError, match="model_dir '/runs/2', and TF_CONFIG has model_dir '/runs/1'. They have"):
        RunConfig(model_dir="/runs/2")


def test_what_tf_config_says_of_sessions_and_services_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"service": {"a": [1]}, "session_master": "grpc://s:1", "eval_session_master": "grpc://e:1"}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    read = RunConfig()
    assert (read.service, read.master, read.evaluation_master) == ({"a": [1]}, "grpc://s:1", "grpc://e:1")


@pytest.mark.parametrize(
    ("cluster", "task", "master"),
    [
        ({"chief": ["a:1"], "worker": ["b:1"]}, "worker", "grpc://b:1"),
        ({"chief": ["a:1"]}, "chief", ""),
        ({"chief": ["a:1"], "worker": ["b:1"]}, "evaluator", ""),
    ],
)
def test_the_master_is_the_address_of_this_process_in_a_cluster(
    cluster: dict[str, list[str]], task: str, master: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": task, "index": 0}}))
    config = RunConfig()
    assert (config.master, config.evaluation_master, config.service) == (master, "", None)
