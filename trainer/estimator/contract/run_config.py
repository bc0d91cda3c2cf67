"""How an Estimator runs: seeds, saves, summaries and its place in a cluster."""

from __future__ import annotations

import copy
import dataclasses
import operator
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.arguments import argument_names
from trainer.estimator.contract.cluster_properties import ClusterProperties
from trainer.estimator.contract.xla_use import says_no_more
from trainer.job.cluster import Cluster, from_environment
from trainer.job.distribution import ASKED, AUTO, Distribution, decide

_SAVE_SECS = 600
_CADENCES = ("save_checkpoints_steps", "save_checkpoints_secs")
_UNSET: Any = object()
_WITHOUT_MEANING = (
    "session_config",
    "device_fn",
    "protocol",
    "experimental_max_worker_delay_secs",
    "session_creation_timeout_secs",
    "checkpoint_save_graph_def",
)
"""Settings of a Session and of its graph."""


@dataclasses.dataclass
class RunConfig(ClusterProperties):
    """Settings of a run, checked when built and set once; `replace` makes a changed copy.

    A class below it may have settings of its own, set them in an `__init__` of its own, and give a setting of this one
    as a property.

    Attributes:
      model_dir: where checkpoints and events go, which TF_CONFIG may say too; None lets the Estimator say.
      tf_random_seed: makes initial values, op seeds and shuffles repeatable; None leaves them random.
      save_summary_steps: steps between summaries; 0 or None for none.
      save_checkpoints_steps: steps between checkpoints; not together with `save_checkpoints_secs`.
      save_checkpoints_secs: seconds between checkpoints, 600 when neither is given. Both None or 0: no checkpoint at
        all.
      session_config: but for its `global_jit_level`, which says when XLA makes the steps, it means nothing without a
        Session; nor do `device_fn`, `protocol` and the last three in order.
      keep_checkpoint_max: how many of the newest checkpoints stay; 0 or None keeps all.
      keep_checkpoint_every_n_hours: one checkpoint of every so many hours stays for good; None for none.
      log_step_count_steps: steps between records of the speed; None for none.
      train_distribute: a `tf.distribute` strategy: OneDeviceStrategy, MirroredStrategy, MultiWorkerMirroredStrategy or
        ParameterServerStrategy; None lets `strategy` say, and takes all GPUs of a process. Each device takes batches of
        its own from the input function, as in tf.estimator: a step on n devices is one on n batches.
      eval_distribute: evaluation takes one device, whatever devices of one process a strategy here names.
      experimental_distribute: a `DistributeConfig`, whose strategies are taken where the two above are None.
      steps_per_loop: the most steps in one device call; None chooses.
      strategy: `auto` (parameter servers if the cluster has any, else synchronous workers if it has any, else local),
        `local`, `ps` or `sync`.
      push_every: steps between two pushes of a worker to the parameter servers.
      explain_nan_secs: seconds that may be spent on finding out which operation made a loss NaN; 0 leaves it out.
      separate_evaluator: whether another process of the job evaluates, where the cluster does not list it.
      checkpoint_facts: what the manifest of each checkpoint notes of the run, as JSON can hold it.
      resumes_input: whether the first training goes on at the batch at which the latest checkpoint stopped; False
        begins the input afresh.
      cluster: all the processes of the job and this one's place among them. Left out, it is read from the environment
        (`TF_CONFIG` and its relatives) when the object is built.

    Raises:
      ValueError: a setting out of range, or two that exclude each other, or a wrong cluster.
    """

    model_dir: str | os.PathLike[str] | None = None
    tf_random_seed: int | None = None
    save_summary_steps: int | None = 100
    save_checkpoints_steps: int | None = _UNSET
    save_checkpoints_secs: float | None = _UNSET
    session_config: Any = dataclasses.field(default=None, repr=False, compare=False)
    keep_checkpoint_max: int | None = 5
    keep_checkpoint_every_n_hours: float | None = 10000
    log_step_count_steps: int | None = 100
    train_distribute: Any = None
    device_fn: Any = None
    protocol: str | None = None
    eval_distribute: Any = None
    experimental_distribute: Any = None
    experimental_max_worker_delay_secs: float | None = None
    session_creation_timeout_secs: float | None = 7200
    checkpoint_save_graph_def: bool | None = True
    _: dataclasses.KW_ONLY
    steps_per_loop: int | None = None
    strategy: str = AUTO
    push_every: int = 1
    explain_nan_secs: float = 120.0
    separate_evaluator: bool = False
    checkpoint_facts: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    resumes_input: bool = True
    cluster: Cluster = dataclasses.field(
        default_factory=lambda: from_environment(os.environ), repr=False, compare=False
    )

    def __post_init__(self) -> None:
        given = vars(self)
        given["model_dir"] = _model_dir(given["model_dir"], given["cluster"].model_dir)
        self._settle()

    def _settle(self) -> None:
        """Checks what was given, and brings it into its usual form."""
        # As given: a property of a class below may need what its __init__ has not set yet.
        given = vars(self)
        for name in ("train_distribute", "eval_distribute"):
            given[name] = given[name] or getattr(given["experimental_distribute"], name, None)
        given |= dict(zip(_CADENCES, _save_cadence(*(given[name] for name in _CADENCES)), strict=True))
        if given["tf_random_seed"] is not None:
            given["tf_random_seed"] = _integer(given["tf_random_seed"], "tf_random_seed")
        for name in ("save_summary_steps", *_CADENCES, "keep_checkpoint_max", "explain_nan_secs"):
            _check_at_least(given[name], 0, name)
        for name in ("steps_per_loop", "push_every"):
            _check_at_least(given[name], 1, name)
        for name in ("keep_checkpoint_every_n_hours", "log_step_count_steps", "session_creation_timeout_secs"):
            _check_positive(given[name], name)
        _check_of_sessions(given)
        _check_strategy(given["strategy"], given["cluster"])
        _check_eval_distribute(given["eval_distribute"])
        _check_given(given["train_distribute"], given["cluster"])

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dataclass_fields__:
            super().__setattr__(name, value)
        elif name in vars(self):
            raise AttributeError(
                f"RunConfig.{name} was set to {value!r}. A RunConfig is not changed, because others have it too. "
                f"Make another one: config.replace({name}=...)"
            )
        else:
            vars(self)[name] = value  # even where a class below has a property of that name, which cannot be set

    def replace(self, **changes: Any) -> RunConfig:
        """A copy with some settings changed. A new cadence of saving takes the place of the other.

        Raises:
          ValueError: an unknown setting, or both cadences of saving.
        """
        known = [field.name for field in dataclasses.fields(self)]
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise ValueError(f"RunConfig.replace was given {', '.join(unknown)}. It takes {', '.join(known)}")
        for name, other in (_CADENCES, _CADENCES[::-1]):
            if changes.get(name) is not None:
                changes.setdefault(other, None)
        changed = copy.copy(self)  # not built anew: a class below may have another __init__
        vars(changed).update(changes)
        if changes.get("model_dir") is not None:
            vars(changed)["model_dir"] = _path(changes["model_dir"])
        changed._settle()
        return changed

    @property
    def saves_checkpoints(self) -> bool:
        """Whether there are checkpoints at all."""
        return bool(self.save_checkpoints_steps or self.save_checkpoints_secs)

    @property
    def distribution(self) -> Distribution:
        """How the processes of the job share the work."""
        return decide(self.cluster, self.strategy, _kind(self.train_distribute, "train_distribute"))


def without_meaning(config: RunConfig) -> list[str]:
    """The settings of a config that are set and that nothing follows."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    found = [name for name in _WITHOUT_MEANING if getattr(config, name) not in (None, defaults[name])]
    return [name for name in found if name != "session_config" or not says_no_more(config.session_config)]


def _model_dir(given: Any, in_environment: str | None) -> str | None:
    """The one directory of both."""
    if given is None:
        return in_environment
    if in_environment is not None and _path(given) != in_environment:
        raise ValueError(
            f"RunConfig was given model_dir {_path(given)!r}, and TF_CONFIG has model_dir {in_environment!r}. "
            "They have to agree. Give one of them"
        )
    return _path(given)


def _path(model_dir: str | os.PathLike[str]) -> str:
    if not os.fsdecode(model_dir):
        raise ValueError("RunConfig was given model_dir ''. It takes a path. Leave it out for a temporary directory")
    return os.fsdecode(model_dir)


def _save_cadence(steps: Any, secs: Any) -> tuple[int | None, float | None]:
    if steps is _UNSET and secs is _UNSET:
        return None, _SAVE_SECS
    steps, secs = (None if value is _UNSET else value for value in (steps, secs))
    if steps is not None and secs is not None:
        raise ValueError(
            f"RunConfig was given save_checkpoints_steps={steps} and save_checkpoints_secs={secs}. "
            "It takes one of them. Leave the other out"
        )
    return steps, secs


def _integer(value: Any, name: str) -> int:
    try:
        return operator.index(value)
    except TypeError as error:
        raise ValueError(f"RunConfig was given {name}={value!r}. It takes an integer, or None") from error


def _check_at_least(value: Any, least: int, name: str) -> None:
    if value is not None and not (isinstance(value, int | float) and value >= least):
        raise ValueError(f"RunConfig was given {name}={value!r}. It takes {least} or more, or None")


def _check_positive(value: Any, name: str) -> None:
    if value is not None and not (isinstance(value, int | float) and value > 0):
        raise ValueError(f"RunConfig was given {name}={value!r}. It takes more than 0, or None")


def _check_of_sessions(given: Mapping[str, Any]) -> None:
    """Settings without meaning are what a Session would take all the same."""
    takes: dict[str, tuple[bool, str]] = {
        "session_config": (isinstance(given["session_config"], tf.compat.v1.ConfigProto), "a ConfigProto"),
        "device_fn": (
            callable(given["device_fn"]) and argument_names(given["device_fn"]) == {"op"},
            "a function of one argument, op",
        ),
        "experimental_max_worker_delay_secs": (
            isinstance(given["experimental_max_worker_delay_secs"], int),
            "an integer",
        ),
        "protocol": (given["protocol"] in ("grpc", "grpc+verbs"), "'grpc' or 'grpc+verbs'"),
    }
    for name, (is_accepted, accepted) in takes.items():
        if given[name] is not None and not is_accepted:
            raise ValueError(f"RunConfig was given {name}={given[name]!r}. It takes {accepted}, or None")


def _check_strategy(strategy: str, cluster: Cluster) -> None:
    if strategy not in ASKED:
        raise ValueError(f"RunConfig was given strategy={strategy!r}. It takes auto, local, ps or sync")
    if strategy == Distribution.PS and not (cluster.is_evaluator or cluster.num_ps_replicas):
        raise ValueError(
            "RunConfig was given strategy='ps' in a cluster without parameter servers. "
            "It takes a cluster with ps and workers. Add them to TF_CONFIG, or leave the strategy out"
        )
    if strategy == Distribution.SYNC and not cluster.is_evaluator and cluster.num_worker_replicas < 2:
        raise ValueError(
            "RunConfig was given strategy='sync' for one process. It takes a cluster with a chief and workers. "
            "Add them to TF_CONFIG, or leave the strategy out"
        )


def _check_eval_distribute(strategy: Any) -> None:
    if _kind(strategy, "eval_distribute") not in (None, Distribution.LOCAL):
        raise ValueError(f"RunConfig was given eval_distribute={strategy!r}. Evaluation takes one device. Leave it out")


def _check_given(strategy: Any, cluster: Cluster) -> None:
    """A strategy of a person's is for as many processes as the cluster has."""
    kind = _kind(strategy, "train_distribute")
    if kind is Distribution.LOCAL and cluster.num_worker_replicas > 1:
        raise ValueError(
            f"RunConfig was given train_distribute={strategy!r}, and {cluster.num_worker_replicas} processes train. "
            "It is for the devices of one process. Take MultiWorkerMirroredStrategy, or leave it out"
        )
    if kind is Distribution.PS and not (cluster.is_evaluator or cluster.num_ps_replicas):
        raise ValueError(
            f"RunConfig was given train_distribute={strategy!r} in a cluster without parameter servers. "
            "It takes a cluster with ps and workers. Add them to TF_CONFIG, or leave it out"
        )


def _kind(strategy: Any, name: str) -> Distribution | None:
    """What a `tf.distribute.Strategy` is for; None where there is none.

    Raises:
      ValueError: something else.
    """
    if strategy is None:
        return None
    kinds = {cls.__name__ for cls in type(strategy).__mro__}
    if "ParameterServerStrategyV2" in kinds:
        return Distribution.PS
    if "CollectiveAllReduceStrategy" in kinds:
        return Distribution.SYNC
    if "MirroredStrategy" in kinds or getattr(strategy, "num_replicas_in_sync", None) == 1:
        return Distribution.LOCAL
    raise ValueError(
        f"RunConfig was given {name}={strategy!r}. It takes OneDeviceStrategy, MirroredStrategy, "
        "MultiWorkerMirroredStrategy or ParameterServerStrategy of tf.distribute. "
        "Leave it out: the cluster of TF_CONFIG and the devices of this process say how to train"
    )
