"""What `compile()` of a Keras model was given as `jit_compile`, which the model itself does not tell.

Keras writes False where "auto", its default, finds CPUs alone: a model shows the same whether somebody kept XLA out or
said nothing. So both ways into `compile()` are wrapped, once, when this package is imported; what was given lies beside
the arguments that Keras keeps, as long as it keeps those.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras

_SAID = "jit_compile_as_given"


def given_jit_compile(model: keras.Model) -> bool | None:
    """What a model's `compile()` was given: True, False, or None where nothing was, or where nobody can tell.

    Nobody can tell of a model that was compiled before this package was imported, or by loading it from a file: Keras
    writes there what it made of "auto".
    """
    said = getattr(model._compile_config, _SAID, None)
    return said if isinstance(said, bool) else None


def _compile(original: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def remembering(self: keras.Model, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        setattr(self._compile_config, _SAID, signature.bind(self, *args, **kwargs).arguments.get("jit_compile"))

    return remembering


def _from_config(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def forgetting(self: keras.Model, config: Any) -> None:
        original(self, config)
        if self.compiled:
            setattr(self._compile_config, _SAID, None)

    return forgetting


def _install() -> None:
    # On the class that defines both: Keras compares a model's `compile` with that one's to see whether it is its own.
    trainer = next(kind for kind in keras.Model.__mro__ if "compile" in vars(kind))
    trainer.compile = _compile(trainer.compile)
    trainer.compile_from_config = _from_config(trainer.compile_from_config)


_install()
