"""`arg_scope`: default arguments for the functions that a block of code calls."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

_Scope = Mapping[Any, Mapping[str, Any]]
_NONE: _Scope = {}
_scope: ContextVar[_Scope] = ContextVar("arg_scope", default=_NONE)  # noqa: B039


def add_arg_scope(function: Callable[..., Any]) -> Callable[..., Any]:
    """Lets `arg_scope` give the function defaults."""

    @functools.wraps(function)
    def scoped(*positional: Any, **named: Any) -> Any:
        return function(*positional, **{**_scope.get().get(scoped, {}), **named})

    scoped.takes_arg_scope = True  # type: ignore[attr-defined]
    return scoped


def has_arg_scope(function: Any) -> bool:
    """Whether `arg_scope` may give the function defaults."""
    return getattr(function, "takes_arg_scope", False)


def current_arg_scope() -> _Scope:
    """The defaults that hold here, by function."""
    return _scope.get()


@contextlib.contextmanager
def arg_scope(functions_or_scope: Sequence[Any] | _Scope, **defaults: Any) -> Iterator[_Scope]:
    """Inside, the functions have these defaults, beside those of the scopes around.

    Args:
      functions_or_scope: functions, each with `add_arg_scope`, or the scope of an earlier block to open again.
      defaults: of their arguments.

    Raises:
      ValueError: a function without `add_arg_scope`, or a scope with defaults.
    """
    if isinstance(functions_or_scope, Mapping):
        if defaults:
            raise ValueError("arg_scope was given a scope and defaults. It takes one of them. Open two blocks")
        scope = dict(functions_or_scope)
    else:
        scope = dict(_scope.get())
        for function in functions_or_scope:
            if not has_arg_scope(function):
                raise ValueError(f"arg_scope was given {function!r}. It takes functions with @add_arg_scope")
            scope[function] = {**scope.get(function, {}), **defaults}
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)
