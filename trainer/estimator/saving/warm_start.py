"""Warm start: initial values of a model from another one's checkpoint."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from trainer.estimator.contract.session_hooks import VocabInfo
from trainer.estimator.graph.variables import GLOBAL_STEP, Role, VariableStore
from trainer.estimator.saving import checkpoints, slices, vocabularies


@dataclasses.dataclass(frozen=True)
class WarmStartSettings:
    """Which variables start from which values.

    Attributes:
      ckpt_to_initialize_from: a checkpoint's path, a directory with checkpoints, or a SavedModel.
      vars_to_warm_start: a regular expression over names, for trainable variables only (the default takes all of them);
        or a list of expressions, for all variables; or None for those with a vocabulary alone. Expressions match from
        a name's beginning.
      var_name_to_vocab_info: by the names of variables, a `tf.train.VocabInfo` with the vocabulary of now and the
        one of then: an entry of both takes over its values, as `tf.compat.v1.train.warm_start` has it.
      var_name_to_prev_var_name: by the names of variables, the names that these have in the source where they differ.

    Raises:
      ValueError: no source, an invalid expression, or something else than vocabularies.
    """

    ckpt_to_initialize_from: str | bytes | os.PathLike[str]
    vars_to_warm_start: str | list[str] | None = ".*"
    var_name_to_vocab_info: Mapping[str, Any] | None = None
    var_name_to_prev_var_name: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.ckpt_to_initialize_from:
            raise ValueError(
                f"WarmStartSettings was given ckpt_to_initialize_from={self.ckpt_to_initialize_from!r}. "
                "It takes the path of a checkpoint, of a directory with checkpoints, or of a SavedModel. Give a path"
            )
        for name, info in (self.var_name_to_vocab_info or {}).items():
            _check_vocabularies(name, info)
        for pattern in self.patterns:
            _check_pattern(pattern)

    @property
    def patterns(self) -> list[str]:
        """The regular expressions."""
        given = self.vars_to_warm_start
        return [given] if isinstance(given, str) else list(given or ())


def _check_pattern(pattern: Any) -> None:
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ValueError(
            f"WarmStartSettings was given vars_to_warm_start with {pattern!r}: {error}. "
            "It takes regular expressions over names. Escape what is meant literally, as in r'scale\\(1\\)'"
        ) from error


def _check_vocabularies(name: str, info: Any) -> None:
    if not isinstance(info, VocabInfo):
        raise ValueError(
            f"WarmStartSettings was given var_name_to_vocab_info with {info!r} for {name}. "
            "It takes tf.train.VocabInfo objects. Give one with both vocabularies"
        )


def settings_of(source: Any) -> WarmStartSettings | None:
    """The settings that an argument `warm_start_from` stands for.

    Args:
      source: settings, the path of what to start from, or None.

    Raises:
      ValueError: it is something else.
    """
    if source is None or isinstance(source, WarmStartSettings):
        return source
    if isinstance(source, str | bytes | os.PathLike):
        return WarmStartSettings(source)
    raise ValueError(f"warm_start_from is {source!r}. It takes a path, or WarmStartSettings. Give one of them, or None")


def chosen(settings: WarmStartSettings, roles: Mapping[str, Role]) -> list[str]:
    """The names of the variables to warm-start.

    Args:
      settings: say which.
      roles: of the model's variables by name.
    """
    # As in tf.estimator: one expression is over the trainable variables, a list of them over all. The global step is
    # never among them, because warm-started training begins at step 0.
    only_trainable = isinstance(settings.vars_to_warm_start, str)
    among = {Role.WEIGHT} if only_trainable else set(Role) - {Role.METRIC, Role.STEP}
    return [
        name
        for name, role in roles.items()
        if role in among and name != GLOBAL_STEP and any(re.match(pattern, name) for pattern in settings.patterns)
    ]


def warm_start(store: VariableStore, settings: WarmStartSettings, reader: checkpoints.Reader) -> list[str]:
    """Sets the chosen variables to the source's values.

    Args:
      store: of the model's variables.
      settings: say which variables.
      reader: of the source.

    Returns:
      The names of these variables.

    Raises:
      ValueError: the source lacks one of them, or has it in another shape, or a name or an expression matches none.
    """
    renamed, infos = settings.var_name_to_prev_var_name or {}, settings.var_name_to_vocab_info or {}
    wholes = {name: slices.full_name(name, variable) for name, variable in store.by_name.items()}
    remapped = {name: infos.get(name) or infos.get(whole) for name, whole in wholes.items()}
    names = chosen(settings, store.roles)
    if settings.vars_to_warm_start is None:
        names = [name for name, role in store.roles.items() if role is Role.WEIGHT and remapped[name]]
    _check_names(names, {wholes[name] for name in names}, settings, store.roles)
    _restore({name: store.by_name[name] for name in names if not remapped[name]}, reader, renamed)
    for name in (name for name in names if remapped[name]):
        variable = store.by_name[name]
        source = checkpoints.source_name(name, variable, renamed)
        vocabularies.set_remapped(name, variable, reader, source, remapped[name])
    return names


def _check_names(
    names: Sequence[str], wholes: Collection[str], settings: WarmStartSettings, roles: Mapping[str, Role]
) -> None:
    """Looks whether what settings name is there.

    Args:
      names: of the chosen variables.
      wholes: the names that these have in checkpoints.
      settings: chose them.
      roles: of all variables by name.

    Raises:
      ValueError: no variable is chosen, or the settings say something of one that is not.
    """
    if not names and settings.patterns:
        raise ValueError(
            f"vars_to_warm_start={settings.vars_to_warm_start!r} matches no variable of the model. "
            f"It takes regular expressions over names. Match one of {', '.join(roles)}"
        )
    for argument in ("var_name_to_prev_var_name", "var_name_to_vocab_info"):
        unused = sorted(set(getattr(settings, argument) or ()) - set(names) - set(wholes))
        if unused:
            raise ValueError(
                f"{argument} has {', '.join(unused)}. "
                f"It takes names of variables that are warm-started. Choose from {', '.join(names)}"
            )


def _restore(variables: Mapping[str, Any], reader: checkpoints.Reader, renamed: Mapping[str, str]) -> None:
    """Restores variables of a new model, for which an error says what becomes of those that the source lacks.

    Args:
      variables: by name.
      reader: of the source.
      renamed: by the names of variables, the names that these have in the source where they differ.
    """
    try:
        checkpoints.restore(variables, reader, renamed)
    except checkpoints.OtherModelError as error:
        example = next((name for name in variables if renamed.get(name, name) not in reader), list(variables)[-1])
        raise checkpoints.OtherModelError(
            error.got,
            "a checkpoint with all variables that are to be warm-started",
            f"Leave what is new or other out of vars_to_warm_start, as r'(?!{example}$)' leaves out {example}, or "
            "say in var_name_to_prev_var_name what the source calls it",
        ) from None
