"""Which arguments a person's function takes: functions of the contract take a subset of known names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any


def argument_names(function: Callable[..., Any]) -> set[str]:
    """The names of the arguments that a function takes, with those that a `functools.partial` leaves open.

    What it takes as `*args` or `**kwargs` has no name.
    """
    if isinstance(function, functools.partial):
        fixed = set(function.keywords) | set(list(inspect.signature(function.func).parameters)[: len(function.args)])
        return argument_names(function.func) - fixed
    unnamed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(function).parameters
    return {name for name, parameter in parameters.items() if parameter.kind not in unnamed}


def accepted(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that the function takes by name."""
    names = argument_names(function)
    return {name: value for name, value in arguments.items() if name in names}
