"""How an Estimator runs: seeds, saves, summaries and its place in a cluster."""

from __future__ import annotations

import os
from typing import Any

from trainer.job import cluster as cluster_lib

_SAVE_SECS = 600
_UNSET: Any = object()


class RunConfig:
    """Settings of a run, checked when built; `replace` makes a changed copy.

    The cluster is read from the environment (`TF_CONFIG` and its relatives) when the object is built.

    Args:
      model_dir: where checkpoints and events go; None lets the Estimator say.
      tf_random_seed: makes initial values, op seeds and shuffles repeatable; None leaves them random.
      save_summary_steps: steps between summaries; 0 or None for none.
      save_checkpoints_steps: steps between checkpoints; not together with `save_checkpoints_secs`.
      save_checkpoints_secs: seconds between checkpoints, 600 when neither is given. Both None: no checkpoint at all.
      keep_checkpoint_max: how many of the newest checkpoints stay; 0 or None keeps all.
      keep_checkpoint_every_n_hours: one checkpoint of every so many hours stays for good.
      log_step_count_steps: steps between lines with the speed; 0 or None for none.
      train_distribute: reserved for a `tf.distribute.Strategy`; None trains on one device.
      eval_distribute: likewise for evaluation.
      steps_per_loop: the most steps in one device call; None chooses.

    Raises:
      ValueError: a setting out of range, or two that exclude each other, or a wrong cluster.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        tf_random_seed: int | None = None,
        save_summary_steps: int | None = 100,
        save_checkpoints_steps: int | None = _UNSET,
        save_checkpoints_secs: float | None = _UNSET,
        keep_checkpoint_max: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000,
        log_step_count_steps: int | None = 100,
        train_distribute: Any = None,
        eval_distribute: Any = None,
        *,
        steps_per_loop: int | None = None,
    ) -> None:
        steps, secs = _save_cadence(save_checkpoints_steps, save_checkpoints_secs)
        self._fields = {
            "model_dir": None if model_dir is None else os.fspath(model_dir),
            "tf_random_seed": tf_random_seed,
            "save_summary_steps": _at_least(save_summary_steps, 0, "save_summary_steps"),
            "save_checkpoints_steps": _at_least(steps, 1, "save_checkpoints_steps"),
            "save_checkpoints_secs": _at_least(secs, 0, "save_checkpoints_secs"),
            "keep_checkpoint_max": _at_least(keep_checkpoint_max, 0, "keep_checkpoint_max"),
            "keep_checkpoint_every_n_hours": _positive(keep_checkpoint_every_n_hours, "keep_checkpoint_every_n_hours"),
            "log_step_count_steps": _at_least(log_step_count_steps, 0, "log_step_count_steps"),
            "train_distribute": _no_strategy(train_distribute, "train_distribute"),
            "eval_distribute": _no_strategy(eval_distribute, "eval_distribute"),
            "steps_per_loop": _at_least(steps_per_loop, 1, "steps_per_loop"),
        }
        if self._fields["model_dir"] == "":
            raise ValueError("RunConfig was given model_dir ''. It takes a path, or None. Leave it out for a temporary directory")
        self._cluster = cluster_lib.from_environment(os.environ)

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get("_fields", {})
        if name in fields:
            return fields[name]
        raise AttributeError(f"RunConfig has no {name!r}; it has {', '.join(fields)}")

    def replace(self, **changes: Any) -> RunConfig:
        """A copy with some settings changed.

        Raises:
          ValueError: an unknown setting, or both cadences of saving.
        """
        unknown = sorted(set(changes) - set(self._fields))
        if unknown:
            raise ValueError(f"RunConfig.replace was given {', '.join(unknown)}. It takes {', '.join(self._fields)}")
        cadences = {"save_checkpoints_steps", "save_checkpoints_secs"}
        kept = {name: value for name, value in self._fields.items() if name not in changes}
        if cadences & set(changes):
            for name in cadences - set(changes):
                del kept[name]
                changes.setdefault(name, None)
        return RunConfig(**{**kept, **changes})

    @property
    def cluster_spec(self) -> dict[str, list[str]]:
        """Addresses by task type; empty when local, and for an evaluator."""
        return self._cluster.cluster_spec

    @property
    def task_type(self) -> str:
        return self._cluster.task_type

    @property
    def task_id(self) -> int:
        return self._cluster.task_id

    @property
    def is_chief(self) -> bool:
        return self._cluster.is_chief

    @property
    def num_ps_replicas(self) -> int:
        return self._cluster.num_ps_replicas

    @property
    def num_worker_replicas(self) -> int:
        """Workers and chief together."""
        return self._cluster.num_worker_replicas

    @property
    def global_id_in_cluster(self) -> int | None:
        return self._cluster.global_id_in_cluster

    @property
    def has_evaluator(self) -> bool:
        """Whether another process of the job is known to evaluate."""
        return self._cluster.has_evaluator

    def __deepcopy__(self, memo: dict[int, Any]) -> RunConfig:
        return self.replace()

    def __repr__(self) -> str:
        return f"RunConfig({', '.join(f'{name}={value!r}' for name, value in self._fields.items())})"


def _save_cadence(steps: Any, secs: Any) -> tuple[int | None, float | None]:
    if steps is _UNSET and secs is _UNSET:
        return None, _SAVE_SECS
    steps, secs = (None if value is _UNSET else value for value in (steps, secs))
    if steps is not None and secs is not None:
        raise ValueError(
            f"RunConfig was given save_checkpoints_steps={steps} and save_checkpoints_secs={secs}. It takes one of them. "
            "Leave the other out"
        )
    return steps, secs


def _at_least(value: Any, least: float, name: str) -> Any:
    if value is not None and not (isinstance(value, (int, float)) and value >= least):
        raise ValueError(f"RunConfig was given {name}={value!r}. It takes {least} or more, or None")
    return value


def _positive(value: Any, name: str) -> Any:
    if not (isinstance(value, (int, float)) and value > 0):
        raise ValueError(f"RunConfig was given {name}={value!r}. It takes more than 0")
    return value


def _no_strategy(value: Any, name: str) -> None:
    if value is not None:
        raise ValueError(
            f"RunConfig was given {name}={value!r}. This version trains on one device of one process. Leave it out"
        )
