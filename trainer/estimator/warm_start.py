"""Starting a model from another one's values."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator import checkpoints
from trainer.estimator.variables import GLOBAL_STEP, Role, VariableStore


@dataclasses.dataclass(frozen=True)
class WarmStartSettings:
    """What to take over from where.

    Attributes:
      ckpt_to_initialize_from: a checkpoint's path, a directory with checkpoints, or a SavedModel.
      vars_to_warm_start: a regular expression over names, for trainable variables only (the default takes all of them); or a list of
        expressions, over all variables; or None for none.
      var_name_to_prev_var_name: names in the source that differ from the model's.
    """

    ckpt_to_initialize_from: str | os.PathLike[str]
    vars_to_warm_start: str | list[str] | None = ".*"
    var_name_to_prev_var_name: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not os.fspath(self.ckpt_to_initialize_from):
            raise ValueError("WarmStartSettings was given no ckpt_to_initialize_from. It takes a path")


def settings_of(source: Any) -> WarmStartSettings | None:
    """Settings from what `warm_start_from` accepts: settings, a path, or None.

    Raises:
      ValueError: something else.
    """
    if source is None or isinstance(source, WarmStartSettings):
        return source
    if isinstance(source, (str, os.PathLike)):
        return WarmStartSettings(source)
    raise ValueError(f"warm_start_from is {source!r}. It takes a path, or WarmStartSettings")


def chosen(settings: WarmStartSettings, roles: Mapping[str, Role]) -> list[str]:
    """The names of the variables to warm-start, never that of the global step.

    Args:
      settings: say which.
      roles: of the model's variables by name.
    """
    wanted = settings.vars_to_warm_start
    if wanted is None:
        return []
    patterns = [wanted] if isinstance(wanted, str) else wanted
    among = {Role.WEIGHT} if isinstance(wanted, str) else set(Role) - {Role.METRIC, Role.STEP}
    return [
        name
        for name, role in roles.items()
        if role in among and name != GLOBAL_STEP and any(re.match(pattern, name) for pattern in patterns)
    ]


def warm_start(store: VariableStore, settings: WarmStartSettings) -> list[str]:
    """Sets the chosen variables to the source's values; returns their names.

    Raises:
      ValueError: the source lacks one of them, or has another shape, or nothing was chosen.
    """
    reader = checkpoints.read(os.fspath(settings.ckpt_to_initialize_from))
    names = chosen(settings, store.roles)
    if not names and settings.vars_to_warm_start is not None:
        raise ValueError(
            f"vars_to_warm_start={settings.vars_to_warm_start!r} matches no variable of the model; it has {', '.join(store.roles)}. "
            "It takes regular expressions over names"
        )
    checkpoints.restore(_sources(store, settings, names), reader)
    return names


def _sources(store: VariableStore, settings: WarmStartSettings, names: list[str]) -> dict[str, tf.Variable]:
    renamed = settings.var_name_to_prev_var_name
    return {renamed.get(name, name): store.by_name[name] for name in names}
