"""The variables of a graph by scope and name, as `tf.contrib.framework` found them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.compat.v1.contrib.arg_scopes import add_arg_scope

_KEYS = tf.compat.v1.GraphKeys


@add_arg_scope
def variable(name: str, shape: Any = None, collections: Any = None, **settings: Any) -> Any:
    """`tf.get_variable`, for `arg_scope`.

    Args:
      name: in the scope that is open.
      shape: of its values.
      collections: that it is in, GLOBAL_VARIABLES by default.
      settings: as `tf.get_variable` takes them.
    """
    settings.pop("device", None)
    return tf.compat.v1.get_variable(name, shape, collections=collections or [_KEYS.GLOBAL_VARIABLES], **settings)


@add_arg_scope
def model_variable(name: str, shape: Any = None, collections: Any = None, **settings: Any) -> Any:
    """A variable that is in MODEL_VARIABLES too.

    Args:
      name: in the scope that is open.
      shape: of its values.
      collections: that it is in beside.
      settings: as `tf.get_variable` takes them.
    """
    kept = [*(collections or []), _KEYS.GLOBAL_VARIABLES, _KEYS.MODEL_VARIABLES]
    return variable(name, shape, collections=list(dict.fromkeys(kept)), **settings)


def get_variables(scope: Any = None, suffix: str | None = None, collection: str = _KEYS.GLOBAL_VARIABLES) -> list[Any]:
    """The variables of a collection.

    Args:
      scope: that they are in, by its beginning; None for all.
      suffix: that their names end with; None for all.
      collection: of the graph.
    """
    within = getattr(scope, "name", scope)
    found = tf.compat.v1.get_collection(collection, within)
    return [one for one in found if suffix is None or one.op.name.endswith(suffix)]


def get_model_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """Those in MODEL_VARIABLES."""
    return get_variables(scope, suffix, _KEYS.MODEL_VARIABLES)


def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """Those that optimizers change."""
    return get_variables(scope, suffix, _KEYS.TRAINABLE_VARIABLES)


def get_variables_by_name(given_name: str, scope: Any = None) -> list[Any]:
    """Those of a name, in whatever scopes."""
    return [one for one in get_variables(scope) if re.search(rf"(^|/){re.escape(given_name)}$", one.op.name)]


def get_variables_to_restore(include: Sequence[str] | None = None, exclude: Sequence[str] | None = None) -> list[Any]:
    """All variables of the scopes to include, but for those of the scopes to exclude."""
    wanted = get_variables() if include is None else [one for scope in include for one in get_variables(scope)]
    without = {id(one) for scope in exclude or () for one in get_variables(scope)}
    return [one for one in wanted if id(one) not in without]


def filter_variables(
    var_list: Sequence[Any],
    include_patterns: Sequence[str] | None = None,
    exclude_patterns: Sequence[str] | None = None,
    reg_search: bool = True,
) -> list[Any]:
    """Those whose names match a pattern to include and none to exclude.

    Args:
      var_list: variables.
      include_patterns: None for all.
      exclude_patterns: None for none.
      reg_search: whether a pattern may match anywhere; else at the beginning.
    """
    match = re.search if reg_search else re.match
    wanted = [v for v in var_list if include_patterns is None or any(match(p, v.op.name) for p in include_patterns)]
    return [v for v in wanted if not any(match(p, v.op.name) for p in exclude_patterns or ())]
